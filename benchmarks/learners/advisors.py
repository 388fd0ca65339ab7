"""What an LLM's answers are worth beside labels by people: as labels instead, as advice, and with the labels chosen.

    python -m benchmarks.learners.advisors DATA_DIR --seeds 10

DATA_DIR holds sets whose rows carry ``llm_label``, ``llm_confidence`` and possibly ``llm_shares``, a real LLM's answer
(`politeness_gpt4o`; `benchmarks.learners.asked_sets` asks a small model about others).
For a set without them an advisor is made up that is right in ``--simulated`` of the cases, takes each class for one
other of its own in two thirds of the rest, names any class otherwise, and states no confidence.
Everything is scored on the test part, against people:

- people: labels by people alone, random, with the default learner;
- oracle: the LLM's labels of the same items instead of theirs;
- advice: labels by people, and the LLM's answers about every item as advice: the default learner;
- chosen: the same with the least sure items labeled, spread over clusters, 20 a round after 20 random ones;
- default: the same chosen by the strategy `default`, which sees the learner alone;
- unsettled: the same by `default` in the half of the pool that learner and advice together are least sure of.

The LLM's own accuracy needs no label.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from benchmarks.learners.labeled_sets import load_set
from nextlabel.server.learners.advice.features import AdviceFeatures, Opinion, advice_features
from nextlabel.server.learners.candidates.linear import margins
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.simulation.bootstrap import mean_interval
from nextlabel.strategies import ArrayPool, LinearHead, SelectionContext, get_strategy
from nextlabel.strategies import LabeledSet as StrategyLabels

Int64 = NDArray[np.int64]

SIZES = (20, 60, 100, 200)
ROUND = 20
SHORTLIST = 10  # times a round
POOL_SAMPLE = 2_000
ADVISOR = "llm"
CHOSEN = ("chosen", "default", "unsettled")
WAYS = ("people", "oracle", "advice", *CHOSEN)


@dataclass(frozen=True, slots=True, eq=False)
class AdvisedSet:
    """A set with a real LLM's answers about all of its items."""

    name: str
    classes: tuple[str, ...]
    train_embeddings_ND: NDArray[np.float32]
    train_labels_N: Int64
    train_llm_N: Int64
    train_advice: AdviceFeatures
    test_embeddings_MD: NDArray[np.float32]
    test_labels_M: Int64
    test_llm_M: Int64
    test_advice: AdviceFeatures


def load_advised_set(folder: Path, cache: Path, simulated: float) -> AdvisedSet:
    data = load_set(folder, cache)
    place = {name: i for i, name in enumerate(data.classes)}
    test = _rows(folder / "test.jsonl.gz")
    texts = {row["text"].lower() for row in test}
    train_rows = [row for row in _rows(folder / "train.jsonl.gz") if row["text"].lower() not in texts]

    rng = np.random.default_rng(0)
    taken_for_C = (np.arange(len(place)) + 1) % len(place)

    def made_up(rows: Sequence[dict[str, Any]]) -> Int64:
        true = np.array([place[row["label"]] for row in rows])
        wrong = np.where(rng.random(len(true)) < 2 / 3, taken_for_C[true], rng.integers(0, len(place), len(true)))
        return np.where(rng.random(len(true)) < simulated, true, wrong)

    def advice(rows: Sequence[dict[str, Any]]) -> tuple[Int64, AdviceFeatures]:
        real = "llm_label" in rows[0]
        named = np.array([place[row["llm_label"]] for row in rows]) if real else made_up(rows)
        sure = [row.get("llm_confidence") for row in rows]
        shares = [{place[c]: p for c, p in row.get("llm_shares", {}).items() if p > 0} for row in rows]
        said = [
            {ADVISOR: Opinion(p or {int(c): 1.0}, None if s is None else float(s))}
            for c, p, s in zip(named, shares, sure, strict=True)
        ]
        return named, advice_features(said, (ADVISOR,), len(place))

    train_llm, train_advice = advice(train_rows)
    test_llm, test_advice = advice(test)
    return AdvisedSet(
        data.name,
        data.classes,
        data.train_embeddings_ND,
        data.train_labels_N,
        train_llm,
        train_advice,
        data.test_embeddings_MD,
        data.test_labels_M,
        test_llm,
        test_advice,
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _trained(
    data: AdvisedSet, labeled_n: Int64, pool_m: Int64, seed: int, *, by_llm: bool = False, advised: bool = False
) -> Model:
    training = TrainingSet(
        data.train_embeddings_ND[labeled_n],
        (data.train_llm_N if by_llm else data.train_labels_N)[labeled_n],
        np.full(len(labeled_n), not by_llm),
        np.ones(len(labeled_n), np.float32),
        None,
        data.classes,
        advice=data.train_advice.take(labeled_n) if advised else None,
    )
    pool = data.train_embeddings_ND[pool_m[:POOL_SAMPLE]]
    return train(training, pool, parse_learner_spec("default", {}), seed, None)


def _least_sure(data: AdvisedSet, model: Model, rest_m: Int64, seed: int) -> Int64:
    """A round's items: the least sure, one near each centre of as many clusters of them."""
    probabilities = model.predict_proba(data.train_embeddings_ND[rest_m], data.train_advice.take(rest_m))
    shortlist = rest_m[np.argsort(margins(probabilities), kind="stable")[: SHORTLIST * ROUND]]
    clusters = KMeans(ROUND, n_init=1, random_state=seed).fit(data.train_embeddings_ND[shortlist])
    distance = clusters.transform(data.train_embeddings_ND[shortlist])
    picked: list[int] = []
    for cluster in range(ROUND):
        order = np.argsort(distance[:, cluster], kind="stable").tolist()
        picked.append(next(place for place in order if place not in picked))
    return shortlist[picked]


def _by_default(data: AdvisedSet, model: Model, labeled: Int64, rest_m: Int64, seed: int) -> Int64:
    """A round's items by the strategy `default`, which sees the learner alone."""
    head = model.linear
    assert head is not None
    context = SelectionContext(
        predictor=LinearHead(head.coef_CD, head.intercept_C),
        labeled=StrategyLabels(data.train_embeddings_ND[labeled], data.train_labels_N[labeled]),
        seed=seed,
    )
    pool = ArrayPool(data.train_embeddings_ND[rest_m])
    return rest_m[get_strategy("default").select(pool, ROUND, context).rows_k]


def _unsettled(data: AdvisedSet, model: Model, rest_m: Int64) -> Int64:
    """The half of the pool that learner and advice together are least sure of."""
    sure = margins(model.predict_proba(data.train_embeddings_ND[rest_m], data.train_advice.take(rest_m)))
    return rest_m[np.sort(np.argsort(sure, kind="stable")[: len(rest_m) // 2])]


def _next(data: AdvisedSet, way: str, model: Model, labeled: Int64, rest: Int64, seed: int) -> Int64:
    if way == "chosen":
        return _least_sure(data, model, rest, seed)
    asked = _unsettled(data, model, rest) if way == "unsettled" else rest
    return _by_default(data, model, labeled, asked, seed + len(labeled))


def accuracies(
    data: AdvisedSet, seed: int, ways: Collection[str], sizes: Sequence[int]
) -> Iterator[tuple[str, int, float, str]]:
    """Way, labels, accuracy and the use of advice that was chosen."""

    def scored(way: str, model: Model, labels: int) -> tuple[str, int, float, str]:
        found = evaluate(model, data.test_embeddings_MD, data.test_labels_M, data.test_advice)
        use = model.description.advice
        return way, labels, found.accuracy, "" if use is None else use.use.value

    order = np.random.default_rng(seed).permutation(len(data.train_labels_N))
    for n in sizes:
        for way in ways:
            if way not in CHOSEN:
                by_llm, advised = way == "oracle", way == "advice"
                model = _trained(data, order[:n], order[n:], seed, by_llm=by_llm, advised=advised)
                yield scored(way, model, n)
    for way in CHOSEN:
        if way not in ways:
            continue
        labeled = order[:ROUND]
        while True:
            rest = order[~np.isin(order, labeled)]
            model = _trained(data, labeled, rest, seed, advised=True)
            if len(labeled) in sizes:
                yield scored(way, model, len(labeled))
            if len(labeled) >= max(sizes):
                break
            labeled = np.concatenate([labeled, _next(data, way, model, labeled, rest, seed)])


def paired_differences(found: dict[tuple[str, int], list[float]], sizes: Sequence[int]) -> str:
    """What hearing advice in the choice of items adds to `default`, seed by seed."""
    cells = []
    for labels in sizes:
        gain = mean_interval(np.array(found["unsettled", labels]) - np.array(found["default", labels]))
        cells.append(f"{labels}: {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})")
    return "\nunsettled less default, by labels: " + ", ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["politeness_gpt4o"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help=f"labels; below {ROUND} none are chosen")
    parser.add_argument("--ways", default=",".join(WAYS), help="of these, with commas between")
    parser.add_argument("--simulated", type=float, default=0.75, help="how often an advisor that is made up is right")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    options = parser.parse_args()
    ways = [way for way in WAYS if way in options.ways.split(",")]
    for name in options.sets:
        data = load_advised_set(options.data / name, options.cache, options.simulated)
        found: dict[tuple[str, int], list[float]] = defaultdict(list)
        used: dict[str, int] = defaultdict(int)
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            for way, labels, accuracy, use in accuracies(data, seed, ways, options.sizes):
                found[way, labels].append(accuracy)
                used[use] += bool(use)
        own = float((data.test_llm_M == data.test_labels_M).mean())
        print(f"{name}: the LLM's own accuracy is {own:.3f}; {options.seeds} seeds, 95 % intervals of the mean\n")
        print("| labels | " + " | ".join(ways) + " |\n| ---: |" + " --- |" * len(ways))
        for labels in options.sizes:
            cells = []
            for way in ways:
                if (way, labels) not in found:
                    cells.append("")
                    continue
                interval = mean_interval(np.array(found[way, labels]))
                cells.append(f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f})")
            print(f"| {labels} | " + " | ".join(cells) + " |")
        if {"default", "unsettled"} <= set(ways):
            print(paired_differences(found, [n for n in options.sizes if ("default", n) in found]))
        print("\nadvice was used as: " + ", ".join(f"{use} {count}" for use, count in used.items() if use))


if __name__ == "__main__":
    main()

"""What an LLM's answers are worth beside labels by people: as labels instead, as advice, and with the labels chosen.

    python -m benchmarks.learners.advisors DATA_DIR --seeds 10

DATA_DIR holds sets of `benchmarks.learners.advised_sets`; an advisor that is made up is right in ``--simulated`` of the
cases. Pool and test items are drawn anew from all items of a set for each seed, so that intervals hold the noise of
both. Everything is scored on the test items, against people:

- people: labels by people alone, random, with the default learner;
- oracle: the LLM's labels of the same items instead of theirs;
- advisor: the class that the LLM names, whatever is labeled;
- recalibrated: the LLM's answers alone, recalibrated on the same labels by people;
- advice: labels by people, and the LLM's answers about every item as advice: the default learner;
- apart: the same, each answer by itself: none is held against what is said of similar items;
- chosen: as advice, with the least sure items labeled, spread over clusters, 20 a round after 20 random ones;
- default: the same chosen by the strategy `default`, which sees the learner alone;
- unsettled: the same by `default` in the half of the pool that learner and advice together are least sure of.

Below stand the differences between ways, paired by seed.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from benchmarks.learners.advised_sets import ADVISOR, AdvisedSet, load_advised_set
from nextlabel.server.learners.advice.blend import Evidence
from nextlabel.server.learners.advice.fitting import Known, fit_blend
from nextlabel.server.learners.candidates.linear import margins
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import MAX_POOL_SAMPLE, train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.simulation.bootstrap import mean_interval
from nextlabel.strategies import ArrayPool, LinearHead, SelectionContext, get_strategy
from nextlabel.strategies import LabeledSet as StrategyLabels

Int64 = NDArray[np.int64]

SIZES = (10, 20, 60, 100, 200)
ROUND = 20
SHORTLIST = 10  # times a round
DEFAULT = parse_learner_spec("default", {})
CHOSEN = ("chosen", "default", "unsettled")
WAYS = ("people", "oracle", "advisor", "recalibrated", "advice", "apart", *CHOSEN)
COMPARED = (
    ("advice", "recalibrated"),
    ("advice", "people"),
    ("advice", "advisor"),
    ("advice", "apart"),
    *((way, "advice") for way in CHOSEN),
    ("unsettled", "default"),
)
Found = Mapping[tuple[str, int], Sequence[float]]


def _trained(data: AdvisedSet, labeled_n: Int64, pool_m: Int64, seed: int, *, way: str = "advice") -> Model:
    by_llm, advised = way == "oracle", way not in ("people", "oracle")
    training = TrainingSet(
        data.embeddings_ND[labeled_n],
        (data.named_N if by_llm else data.labels_N)[labeled_n],
        np.full(len(labeled_n), not by_llm),
        np.ones(len(labeled_n), np.float32),
        None,
        data.classes,
        advice=data.advice.take(labeled_n) if advised else None,
    )
    sample_m = pool_m[:MAX_POOL_SAMPLE]
    said = data.advice.take(sample_m) if advised and way != "apart" else None
    return train(training, data.embeddings_ND[sample_m], DEFAULT, seed, None, pool_advice=said)


def _recalibrated(data: AdvisedSet, labeled_n: Int64, test_m: Int64) -> float:
    """Accuracy of the advice alone on the test items."""
    shares_nC = np.eye(len(data.classes), dtype=np.float32)
    evidence = Evidence(shares_nC[data.labels_N] * 0, data.embeddings_ND, data.advice.features_NF)
    known = Known(evidence.take(labeled_n), shares_nC[data.labels_N[labeled_n]], np.zeros(len(labeled_n), np.bool_))
    blend = fit_blend((ADVISOR,), known, len(labeled_n), advice_alone=True)
    named_m = blend.predict_proba(evidence.take(test_m)).argmax(axis=1)
    return float((named_m == data.labels_N[test_m]).mean())


def _least_sure(data: AdvisedSet, model: Model, rest_m: Int64, seed: int) -> Int64:
    """A round's items: the least sure, one near each centre of as many clusters of them."""
    probabilities = model.predict_proba(data.embeddings_ND[rest_m], data.advice.take(rest_m))
    shortlist = rest_m[np.argsort(margins(probabilities), kind="stable")[: SHORTLIST * ROUND]]
    clusters = KMeans(ROUND, n_init=1, random_state=seed).fit(data.embeddings_ND[shortlist])
    distance = clusters.transform(data.embeddings_ND[shortlist])
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
        labeled=StrategyLabels(data.embeddings_ND[labeled], data.labels_N[labeled]),
        seed=seed,
    )
    pool = ArrayPool(data.embeddings_ND[rest_m])
    return rest_m[get_strategy("default").select(pool, ROUND, context).rows_k]


def _unsettled(data: AdvisedSet, model: Model, rest_m: Int64) -> Int64:
    """The half of the pool that learner and advice together are least sure of."""
    sure = margins(model.predict_proba(data.embeddings_ND[rest_m], data.advice.take(rest_m)))
    return rest_m[np.sort(np.argsort(sure, kind="stable")[: len(rest_m) // 2])]


def _next(data: AdvisedSet, way: str, model: Model, labeled: Int64, rest: Int64, seed: int) -> Int64:
    if way == "chosen":
        return _least_sure(data, model, rest, seed)
    asked = _unsettled(data, model, rest) if way == "unsettled" else rest
    return _by_default(data, model, labeled, asked, seed + len(labeled))


def accuracies(
    data: AdvisedSet, seed: int, ways: Collection[str], sizes: Sequence[int], test: int
) -> Iterator[tuple[str, int, float, str]]:
    """Way, labels, accuracy and the use of advice that was chosen."""
    order, test_m = data.drawn(seed, test)

    def scored(way: str, model: Model, labels: int) -> tuple[str, int, float, str]:
        advice = data.advice.take(test_m)
        found = evaluate(model, data.embeddings_ND[test_m], data.labels_N[test_m], advice)
        use = model.description.advice
        return way, labels, found.accuracy, "" if use is None else use.use.value

    for n in sizes:
        for way in ways:
            if way == "advisor":
                yield way, n, float((data.named_N[test_m] == data.labels_N[test_m]).mean()), ""
            elif way == "recalibrated":
                yield way, n, _recalibrated(data, order[:n], test_m), ""
            elif way not in CHOSEN:
                yield scored(way, _trained(data, order[:n], order[n:], seed, way=way), n)
    for way in CHOSEN:
        if way not in ways:
            continue
        labeled = order[:ROUND]
        while True:
            rest = order[~np.isin(order, labeled)]
            model = _trained(data, labeled, rest, seed)
            if len(labeled) in sizes:
                yield scored(way, model, len(labeled))
            if len(labeled) >= max(sizes):
                break
            labeled = np.concatenate([labeled, _next(data, way, model, labeled, rest, seed)])


def table(columns: Mapping[str, Mapping[int, Sequence[float]]], sizes: Sequence[int], form: str) -> str:
    """Means over seeds with their 95 % intervals, a row for each number of labels."""
    rows = ["| labels | " + " | ".join(columns) + " |", "| ---: |" + " --- |" * len(columns)]
    for labels in sizes:
        cells = []
        for values in columns.values():
            one = mean_interval(np.array(values[labels])) if values.get(labels) else None
            if one is None:
                cells.append("")
            elif one.low is None:
                cells.append(format(one.mean, form))
            else:
                cells.append(f"{one.mean:{form}} ({one.low:{form}} to {one.high:{form}})")
        rows.append(f"| {labels} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def differences(found: Found, ways: Collection[str], sizes: Sequence[int]) -> dict[str, dict[int, list[float]]]:
    """What one way has more than another, seed by seed."""
    return {
        f"{way} less {other}": {
            n: [a - b for a, b in zip(found[way, n], found[other, n], strict=True)]
            for n in sizes
            if (way, n) in found and (other, n) in found
        }
        for way, other in COMPARED
        if way in ways and other in ways
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["politeness_gpt4o"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help=f"labels; below {ROUND} none are chosen")
    parser.add_argument("--test", type=int, help="items that test; by default as many as the set's test part has")
    parser.add_argument("--ways", default=",".join(WAYS), help="of these, with commas between")
    parser.add_argument("--simulated", type=float, default=0.75, help="how often an advisor that is made up is right")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    options = parser.parse_args()
    ways = [way for way in WAYS if way in options.ways.split(",")]
    for name in options.sets:
        data = load_advised_set(options.data / name, options.cache, options.simulated)
        found: dict[tuple[str, int], list[float]] = defaultdict(list)
        used: dict[str, int] = defaultdict(int)
        test = options.test or data.test
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            for way, labels, accuracy, use in accuracies(data, seed, ways, options.sizes, test):
                found[way, labels].append(accuracy)
                used[use] += bool(use)
        own = float((data.named_N == data.labels_N).mean())
        print(f"{name}: the LLM names the label of {own:.3f} of {len(data.labels_N)} items; {test} of them test;")
        print(f"{options.seeds} seeds, 95 % intervals of the mean\n")
        columns = {way: {n: found[way, n] for n in options.sizes if (way, n) in found} for way in ways}
        print(table(columns, options.sizes, ".3f"))
        if pairs := differences(found, ways, options.sizes):
            print("\n" + table(pairs, options.sizes, "+.3f"))
        print("\nadvice was used as: " + ", ".join(f"{use} {count}" for use, count in used.items() if use), flush=True)


if __name__ == "__main__":
    main()

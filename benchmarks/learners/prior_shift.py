"""Whether predictions gain from the class shares of the pool: expectation maximisation (Saerens et al. 2002).

    python -m benchmarks.learners.prior_shift DATA_DIR --sets clinc10 --seeds 10

Pool and test part are thinned to class sizes in geometric steps, the largest ``--skew`` times the smallest. The
default learner is trained on labels that the strategy `default` or chance chose, 20 a round. Its probabilities on the
test part are scored as they are, and moved to the shares that expectation maximisation finds on its own probabilities
of the pool: from equal shares, since the learner gives every class the same weight, and from the shares of the labels,
as the paper has it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from benchmarks.learners.labeled_sets import LabeledSet, load_set
from nextlabel.server.assessment.reliability import expected_calibration_error
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.simulation.bootstrap import mean_interval
from nextlabel.strategies import ArrayPool, LinearHead, SelectionContext, get_strategy
from nextlabel.strategies import LabeledSet as StrategyLabels

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

SIZES = (40, 100, 200)
ROUND = 20
STEPS = 100
MEASURES = ("accuracy", "macro-F1", "ECE")


def shares_by_em(probabilities_nC: Float64, presumed_C: Float64) -> Float64:
    """The class shares under which the probabilities are most probable, from those that they presume."""
    shares = presumed_C
    for _ in range(STEPS):
        moved = moved_to(probabilities_nC, presumed_C, shares)
        shares = np.maximum(moved.mean(axis=0), 1e-6)
    return np.asarray(shares / shares.sum())


def moved_to(probabilities_nC: Float64, presumed_C: Float64, shares_C: Float64) -> Float64:
    """Probabilities under other class shares than those presumed, rows summing to 1."""
    moved = probabilities_nC * (shares_C / presumed_C)
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))


def _thinned(labels_N: Int64, n_classes: int, skew: float, rng: np.random.Generator) -> Int64:
    order = rng.permutation(n_classes)
    kept = []
    for place, c in enumerate(order.tolist()):
        rows = rng.permutation(np.flatnonzero(labels_N == c))
        share = skew ** (-place / max(n_classes - 1, 1))
        kept.append(rows[: max(int(share * len(rows)), 2)])
    return rng.permutation(np.concatenate(kept))


def _trained(data: LabeledSet, labeled: Int64, pool: Int64, seed: int) -> Model:
    training = TrainingSet(
        data.train_embeddings_ND[labeled],
        data.train_labels_N[labeled],
        np.ones(len(labeled), bool),
        np.ones(len(labeled), np.float32),
        None,
        data.classes,
    )
    return train(training, data.train_embeddings_ND[pool[:2_000]], parse_learner_spec("default", {}), seed, None)


def _chosen(data: LabeledSet, model: Model, labeled: Int64, rest: Int64, seed: int) -> Int64:
    assert model.linear is not None
    context = SelectionContext(
        predictor=LinearHead(model.linear.coef_CD, model.linear.intercept_C),
        labeled=StrategyLabels(data.train_embeddings_ND[labeled], data.train_labels_N[labeled]),
        seed=seed,
    )
    return rest[get_strategy("default").select(ArrayPool(data.train_embeddings_ND[rest]), ROUND, context).rows_k]


def _measured(probabilities: Float64, labels: Int64) -> tuple[float, float, float]:
    predicted = probabilities.argmax(axis=1)
    right = predicted == labels
    macro_f1 = float(f1_score(labels, predicted, average="macro", zero_division=0))
    return float(right.mean()), macro_f1, expected_calibration_error(probabilities.max(axis=1), right, 15)


def scores(data: LabeledSet, skew: float, seed: int, way: str) -> Iterator[tuple[int, str, tuple[float, float, float]]]:
    """Labels, measure, its value as it is, and under the shares found from equal ones and from those of the labels."""
    rng = np.random.default_rng(seed)
    n_classes = len(data.classes)
    # The same order of sizes in both parts: the pool tells of the test part.
    pool = _thinned(data.train_labels_N, n_classes, skew, np.random.default_rng(seed))
    test = _thinned(data.test_labels_M, n_classes, skew, np.random.default_rng(seed))
    labeled = pool[:ROUND]
    while True:
        rest = pool[~np.isin(pool, labeled)]
        model = _trained(data, labeled, rest, seed)
        if len(labeled) in SIZES:
            own, of_pool = (
                model.predict_proba(rows).astype(np.float64)
                for rows in (data.test_embeddings_MD[test], data.train_embeddings_ND[rest])
            )
            labels, counts = data.test_labels_M[test], np.bincount(data.train_labels_N[labeled], minlength=n_classes)
            presumed = (np.full(n_classes, 1 / n_classes), (counts + 1) / (counts + 1).sum())
            moved = [moved_to(own, shares, shares_by_em(of_pool, shares)) for shares in presumed]
            measured = [_measured(probabilities, labels) for probabilities in (own, *moved)]
            for name, (before, from_equal, from_labels) in zip(MEASURES, zip(*measured, strict=True), strict=True):
                yield len(labeled), name, (before, from_equal, from_labels)
        if len(labeled) >= SIZES[-1]:
            return
        picked = _chosen(data, model, labeled, rest, seed + len(labeled)) if way == "default" else rng.permutation(rest)
        labeled = np.concatenate([labeled, picked[:ROUND]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["clinc10", "uci_sentences"])
    parser.add_argument("--skew", type=float, default=16.0, help="how many times the largest class is the smallest")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    options = parser.parse_args()
    print("| set, labels by | labels | measure | as it is | from equal shares | from the labels' shares |")
    print("| --- | ---: | --- | ---: | --- | --- |")
    for name in options.sets:
        data = load_set(options.data / name, options.cache)
        for way in ("chance", "default"):
            found: dict[tuple[int, str], list[tuple[float, float, float]]] = defaultdict(list)
            for seed in range(options.seeds):
                for labels, measure, values in scores(data, options.skew, seed, way):
                    found[labels, measure].append(values)
            for (labels, measure), values_s in found.items():
                before_s, *after = np.array(values_s).T
                gains = [mean_interval(after_s - before_s) for after_s in after]
                cells = [f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})" for gain in gains]
                figures = " | ".join([f"{before_s.mean():.3f}", *cells])
                print(f"| {name}, {way} | {labels} | {measure} | {figures} |", flush=True)


if __name__ == "__main__":
    main()

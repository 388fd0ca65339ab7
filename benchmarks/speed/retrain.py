"""Seconds to retrain after a batch of 20 at 1,000 labels, warm against cold, and what that does to accuracy.

    python -m benchmarks.speed.retrain DATA_DIR --set banking77 --labels 1000 --batch 20 --repeats 5

Prints one JSON line an estimator. `warm_s` starts from the model before the batch; `cold_s` from nothing. For the
default learner the cold training also chooses among the candidates by cross-validation, a warm one does so only when
the labels have grown by a quarter, so `warm_s` is what a batch costs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.learners.labeled_sets import LabeledSet, load_class_names, load_set
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import MAX_POOL_SAMPLE, train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses, TrainingSet


@dataclass(frozen=True, slots=True)
class Timed:
    """A model, the wall-clock seconds of its training, and the CPU seconds of the whole process meanwhile."""

    model: Model
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Retrained:
    """A cold and a warm training on the same labels."""

    cold: Timed
    warm: Timed


def training_set(data: LabeledSet, names_CD: np.ndarray, rows: np.ndarray) -> TrainingSet:
    classes = len(data.classes)
    return TrainingSet(
        embeddings_ND=data.train_embeddings_ND[rows],
        labels_N=data.train_labels_N[rows],
        trusted_N=np.ones(len(rows), np.bool_),
        weights_N=np.ones(len(rows), np.float32),
        probabilities_NC=None,
        classes=data.classes,
        described=DescribedClasses(names_CD, np.arange(classes), np.ones(classes, np.float32)),
    )


def retrain(data: LabeledSet, names_CD: np.ndarray, estimator: str, labels: int, batch: int, seed: int) -> Retrained:
    order = np.random.default_rng(seed).permutation(len(data.train_labels_N))
    pool = data.train_embeddings_ND[order[labels + batch :][:MAX_POOL_SAMPLE]]
    spec = parse_learner_spec(estimator, {})
    before = train(training_set(data, names_CD, order[:labels]), pool, spec, seed, None)
    after = training_set(data, names_CD, order[: labels + batch])

    def timed(previous: Model | None) -> Timed:
        wall, cpu = time.perf_counter(), time.process_time()
        model = train(after, pool, spec, seed, previous)
        return Timed(model, time.perf_counter() - wall, time.process_time() - cpu)

    return Retrained(cold=timed(None), warm=timed(before))


def summary(data: LabeledSet, runs: list[Retrained]) -> dict[str, float]:
    result: dict[str, float] = {}
    for way in ("cold", "warm"):
        trained: list[Timed] = [getattr(run, way) for run in runs]
        accuracy = [evaluate(t.model, data.test_embeddings_MD, data.test_labels_M).accuracy for t in trained]
        result[f"{way}_s"] = round(statistics.median(t.wall_s for t in trained), 3)
        result[f"{way}_cpu_s"] = round(statistics.median(t.cpu_s for t in trained), 3)
        result[f"{way}_accuracy"] = round(statistics.mean(accuracy), 4)
    result["speedup"] = round(result["cold_s"] / result["warm_s"], 2)
    result["speedup_cpu"] = round(result["cold_cpu_s"] / result["warm_cpu_s"], 2)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="banking77")
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--estimators", default="logistic_regression,default")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    options = parser.parse_args()

    data = load_set(options.data / options.set, options.cache)
    names_CD = load_class_names(data, options.cache)
    for estimator in options.estimators.split(","):
        runs = [
            retrain(data, names_CD, estimator, options.labels, options.batch, seed) for seed in range(options.repeats)
        ]
        where = {"set": data.name, "classes": len(data.classes), "labels": options.labels, "batch": options.batch}
        print(json.dumps({**where, "estimator": estimator, **summary(data, runs)}), flush=True)


if __name__ == "__main__":
    main()

"""What declaring a measure gains: the default learner with it against without it, by that measure on the test part.

    python -m benchmarks.learners.measures DATA_DIR --seeds 10

Same random labels for both. Measures of a class are about the rarest one of the set, and with costs a missed item of it
costs ten times another mistake. Skewed pools are those of `single_label`. Prints a line a cell as soon as it is there,
then a table of differences with 95 % bootstrap intervals over the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learners.labeled_sets import LabeledSet, load_class_names, load_set, set_folders
from benchmarks.learners.single_label import bootstrap_interval, skewed
from nextlabel.server.learners.candidates.measures import average_precision_of
from nextlabel.server.learners.costs import cost_matrix
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses, Float32, TrainingSet

SIZES = (50, 200)
MEASURES = ("accuracy", "f1", "average_precision", "cost")
MISSED = 10.0
POOL_ROWS = 2_000


def declared(measure: str, rare: str, classes: Sequence[str]) -> Mapping[str, Any]:
    """The learner's parameters that declare a measure."""
    if measure == "accuracy":
        return {"measure": measure}
    if measure == "cost":
        return {"measure": measure, "costs": {rare: {other: MISSED for other in classes if other != rare}}}
    return {"measure": measure, "measure_class": rare}


def score(model: Model, data: LabeledSet, measure: str, rare: int, costs: Mapping[str, Any]) -> float:
    """How good a model is on the test part, greater is better; costs count below 0."""
    labels_M = data.test_labels_M
    probabilities_MC = model.predict_proba(data.test_embeddings_MD)
    answers_M = model.decide(probabilities_MC)
    if measure == "accuracy":
        return float((answers_M == labels_M).mean())
    if measure == "cost":
        return -float(cost_matrix(costs, data.classes)[labels_M, answers_M].mean())
    if measure == "average_precision":
        shares_MC: Float32 = np.eye(len(data.classes), dtype=np.float32)[labels_M]
        return average_precision_of(rare)(probabilities_MC, shares_MC).value
    hits = float(((answers_M == rare) & (labels_M == rare)).sum())
    return 2 * hits / max(float((answers_M == rare).sum() + (labels_M == rare).sum()), 1.0)


def differences(data: LabeledSet, names_CD: Float32, seed: int, labels: int) -> dict[str, float]:
    """By measure, the learner that declares it less the one that does not, in points or costs of 100 answers."""
    order = np.random.default_rng(seed).permutation(len(data.train_labels_N))
    labeled, pool = order[:labels], order[labels:][:POOL_ROWS]
    n_classes = len(data.classes)
    rare = int(np.bincount(data.train_labels_N, minlength=n_classes).argmin())
    training = TrainingSet(
        data.train_embeddings_ND[labeled],
        data.train_labels_N[labeled],
        np.ones(labels, np.bool_),
        np.ones(labels, np.float32),
        None,
        data.classes,
        DescribedClasses(names_CD, np.arange(n_classes), np.ones(n_classes, np.float32)),
    )

    def model(parameters: Mapping[str, Any]) -> Model:
        pool_MD = data.train_embeddings_ND[pool]
        return train(training, pool_MD, parse_learner_spec("default", parameters), seed, None)

    silent, found = model({}), {}
    for measure in MEASURES:
        parameters = declared(measure, data.classes[rare], data.classes)
        costs = parameters.get("costs", {})
        said, unsaid = (score(one, data, measure, rare, costs) for one in (model(parameters), silent))
        found[measure] = 100 * (said - unsaid)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="", help="comma-separated; default: every set of the folder")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of labels")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"), help="for embeddings made here")
    options = parser.parse_args()

    lines = [f"| set | labels | {' | '.join(MEASURES)} |", f"| --- | ---: |{' --- |' * len(MEASURES)}"]
    wanted = [name for name in options.sets.split(",") if name]
    for folder in set_folders(options.data):
        if wanted and folder.name not in wanted:
            continue
        whole = load_set(folder, options.cache)
        names_CD = load_class_names(whole, options.cache)
        for is_skewed in (False, True):
            for labels in options.sizes:
                found = []
                for seed in range(options.seeds):
                    data = skewed(whole, seed) if is_skewed else whole
                    found.append(differences(data, names_CD, seed, labels))
                    print(data.name, labels, seed, found[-1], flush=True)
                gains = {measure: np.array([one[measure] for one in found]) for measure in MEASURES}
                row = [
                    f"{gain.mean():+.1f} ({low:+.1f} to {high:+.1f})"
                    for gain in gains.values()
                    for low, high in [bootstrap_interval(gain)]
                ]
                lines.append(f"| {whole.name}{', skewed' * is_skewed} | {labels} | {' | '.join(row)} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

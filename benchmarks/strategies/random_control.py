"""How often the intervals of what choosing saved are right: two arms of random labels, between which there is nothing.

    python -m benchmarks.strategies.random_control DATA_DIR --labels 50 --runs 200

Prints, for each set, how often the interval of the gain and that of the labels saved hold 0, and their mean widths;
95 % would be exact. Labels and holdout (200 items) are drawn anew in each run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.learners.labeled_sets import LabeledSet, load_set, set_folders
from nextlabel.server.assessment.estimates.arms import Bool, Places, Savings, arm_of, savings
from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic

HOLDOUT = 200
SHARES = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0, 1.5, 2.0, 3.0, 4.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--labels", type=int, default=50)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    for folder in set_folders(options.data):
        data = load_set(folder, Path(".cache"))
        found = [one_run(data, options.labels, seed) for seed in range(options.runs)]
        gain, saved = [f.gain for f in found], [f.saved for f in found]
        print(
            f"{data.name}: gain holds 0 in {np.mean([e.low <= 0 <= e.high for e in gain]):.1%}, "
            f"width {100 * np.mean([e.high - e.low for e in gain]):.1f} points; "
            f"labels saved hold 0 in {np.mean([e.low <= 0 <= e.high for e in saved]):.1%}, "
            f"width {np.mean([e.high - e.low for e in saved]):.0f} labels"
        )


def one_run(data: LabeledSet, labels: int, seed: int) -> Savings:
    rng = np.random.default_rng(seed)
    places = rng.permutation(len(data.train_labels_N))
    held_out = rng.permutation(len(data.test_labels_M))[:HOLDOUT]

    def judge(some: Places) -> Bool:
        return right_on_test(data, places=some)[held_out]

    at_random = arm_of(judge, places[:labels], labels, (1.0,))
    chosen = arm_of(judge, places[labels : 5 * labels], labels, SHARES)
    return savings(chosen, at_random, seed)


def right_on_test(data: LabeledSet, places: Places) -> Bool:
    """Which items of the test set a logistic regression on some labels predicts right."""
    weights = np.ones(len(places), np.float32)
    settings = LogisticSettings(len(data.classes))
    head = fit_logistic(data.train_embeddings_ND[places], data.train_labels_N[places], weights, settings)
    return np.asarray(head.logits(data.test_embeddings_MD).argmax(axis=1) == data.test_labels_M)


if __name__ == "__main__":
    main()

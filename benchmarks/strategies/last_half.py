"""How often the intervals of what labels gained, and are forecast to gain, are right: of the curves by source.

    python -m benchmarks.strategies.last_half DATA_DIR --labels 100 --runs 200

Labels and holdout (200 items) are drawn anew in each run. Prints, for each set, how often the interval of what the
second half of the labels gained holds the mean gain over all runs, on the whole test set, and how often that of as many
more labels holds what these then gained; 95 % would be exact. What a point of accuracy costs is right exactly where the
gain is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.learners.labeled_sets import LabeledSet, load_set, set_folders
from benchmarks.strategies.random_control import HOLDOUT, right_on_test
from nextlabel.server.assessment.estimates.arms import arm_of, gain_of
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.stopping.forecast import forecast
from nextlabel.server.domain.reports.estimates.source_curves import SHARES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    for folder in set_folders(options.data):
        data = load_set(folder, Path(".cache"))
        found = [one_run(data, options.labels, seed) for seed in range(options.runs)]
        gained = float(np.mean([truth for _, truth, _, _ in found]))
        print(
            f"{data.name}: the last half gained {100 * gained:.1f} points; "
            f"told in {np.mean([one.low <= gained <= one.high for one, _, _, _ in found]):.1%}, "
            f"width {100 * np.mean([one.high - one.low for one, _, _, _ in found]):.1f} points; "
            f"as many more foretold in {np.mean([one.low <= truth <= one.high for _, _, one, truth in found]):.1%}, "
            f"width {100 * np.mean([one.high - one.low for _, _, one, _ in found]):.1f} points",
            flush=True,
        )


def one_run(data: LabeledSet, labels: int, seed: int) -> tuple[Estimate, float, Estimate, float]:
    """Return what the last half gained and what as many more would, each as told and as it was on the test set."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(len(data.train_labels_N))[: 2 * labels]
    held_out = rng.permutation(len(data.test_labels_M))[:HOLDOUT]
    arm = arm_of(lambda some: right_on_test(data, some)[held_out], places[:labels], labels, SHARES)
    half, every, twice = (
        float(right_on_test(data, places[:count]).mean()) for count in (round(labels / 2), labels, 2 * labels)
    )
    half_way = list(arm.labels).index(round(labels / 2))
    ahead = forecast(arm.labels, arm.right_Kn.mean(axis=1), HOLDOUT, 2 * labels)
    assert ahead is not None
    return gain_of(arm.right_Kn[half_way], arm.right_Kn[-1], arm.luck), every - half, ahead.gain, twice - every


if __name__ == "__main__":
    main()

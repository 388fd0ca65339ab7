"""Whether the figures of `nextlabel.server.assessment` keep what they promise, by simulation.

    python -m benchmarks.assessment DATA_DIR --sims 500
    python -m benchmarks.assessment DATA_DIR --only coverage --sims 500

DATA_DIR has ``politeness_gpt4o``, whose LLM answers are real; everywhere else annotators are simulated with known
truth. Tables go to stdout as Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.assessment import (
    consensus,
    consensus_gold,
    coverage,
    crowdlab,
    delivered,
    drift,
    gold_drift,
    predicted_slices,
    prediction_powered,
    routing,
    slice_coverage,
    wrong_labels,
    wrong_sets,
)

SECTIONS: Mapping[str, Callable[[Path, int], str]] = {
    "coverage": coverage.table,
    "ppi": prediction_powered.table,
    "ppi_annotator": prediction_powered.annotator_table,
    "ppi_slices": predicted_slices.table,
    "consensus": consensus.table,
    "consensus_gold": consensus_gold.table,
    "crowdlab": crowdlab.table,
    "delivered": delivered.table,
    "routing": routing.table,
    "slice_coverage": slice_coverage.table,
    "drift": drift.table,
    "gold_drift": gold_drift.table,
    "wrong_labels": wrong_labels.table,
    "wrong_sets": wrong_sets.table,
}


def main() -> None:
    """Measure the chosen sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sims", type=int, default=500)
    parser.add_argument("--only", choices=sorted(SECTIONS), action="append")
    args = parser.parse_args()
    for name in args.only or SECTIONS:
        sys.stdout.write(SECTIONS[name](args.data, args.sims) + "\n\n")


if __name__ == "__main__":
    main()

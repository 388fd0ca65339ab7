"""Where the default strategy could go wrong: against random and margin, label by label, and on rare classes.

    python -m benchmarks.strategies.default_regions DATA_DIR --document docs/evidence/default_strategy.md

Sets of `DATA_DIR` are folders as in `labeled_sets.py`, also such as lie one folder deeper; a `target` is a label too.
Beside them stand two sets of scikit-learn that are no texts. Finished cells are kept in `--cells`, so that the command
may be cut off and given again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.strategies.default_sets import TUNED_ON, load_sets
from benchmarks.strategies.evidence_tables import write_table
from benchmarks.strategies.rare_classes import RARE, rare_rows
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.reporting.report import format_interval
from nextlabel.server.simulation.settings import Protocol
from nextlabel.server.simulation.simulation import Result, simulate

STRATEGIES = ("random", "margin", "default")
CHECKPOINTS = (20, 40, 60, 100, 200)
POOL, BATCH = 3000, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--document", type=Path)
    parser.add_argument("--sets", default="", help="names with commas between; all by default")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rare-seeds", type=int, default=5)
    parser.add_argument("--learner", default="logistic_regression")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--cells", type=Path, default=Path(".cache/benchmarks/default_regions"))
    options = parser.parse_args()
    lines = [*_against_random(options), *_shown(""), *_rare(options)]
    if options.document:
        write_table(options.document, "\n".join(lines))


def _against_random(options: argparse.Namespace) -> Iterator[str]:
    yield from _shown(f"| set | tuned on | {' | '.join(map(str, CHECKPOINTS))} | mean, p | margin |")
    yield from _shown(f"| --- | --- |{' ---: |' * (len(CHECKPOINTS) + 2)}")
    for dataset, name in load_sets(options.data, options.cache):
        if options.sets and name not in options.sets.split(","):
            continue
        result = _simulated(dataset, options, options.cells / f"{name}.{options.learner}")
        yield from _shown(_row(name, result))


def _simulated(dataset: Dataset, options: argparse.Namespace, cells: Path) -> Result:
    share = min(0.8, POOL / len(dataset))
    budget = min(CHECKPOINTS[-1], int(share * len(dataset) * 0.8))
    protocol = Protocol(BATCH, budget, 0, 0.0, parse_learner_spec(options.learner, {}), share)
    return simulate(dataset, protocol, STRATEGIES, range(options.seeds), out=cells)


def _row(name: str, result: Result) -> str:
    (default,) = (summary for summary in result.summaries if summary.strategy == "default")
    (margin,) = (summary for summary in result.summaries if summary.strategy == "margin")
    curve = {point.labels: point.accuracy_vs_random for point in default.learning_curve}
    cells = [format_interval(curve[at], signed=True) if at in curve else "" for at in CHECKPOINTS]
    mean = f"{format_interval(default.aulc_accuracy_vs_random, signed=True)}, {default.sign_flip_p:.3f}"
    other = format_interval(margin.aulc_accuracy_vs_random, signed=True)
    return f"| {name} | {'yes' if name in TUNED_ON else 'no'} | {' | '.join(cells)} | {mean} | {other} |"


def _rare(options: argparse.Namespace) -> Iterator[str]:
    yield from _shown("| set | positives in the pool | strategy | found in 200 labels | average precision |")
    yield from _shown("| --- | ---: | --- | ---: | ---: |")
    for dataset, name in load_sets(options.data, options.cache):
        if name not in RARE or (options.sets and name not in options.sets.split(",")):
            continue
        for row in rare_rows(dataset, STRATEGIES, options.rare_seeds):
            yield from _shown(f"| {name} | {row}")


def _shown(line: str) -> Iterator[str]:
    print(line, flush=True)
    yield line


if __name__ == "__main__":
    main()

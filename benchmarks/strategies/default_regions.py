"""Where the default strategy could go wrong: against random and margin, label by label, and on rare classes.

    python -m benchmarks.strategies.default_regions DATA_DIR --document docs/evidence/default_strategy.md

Sets of `DATA_DIR` are folders as in `labeled_sets.py`, also such as lie one folder deeper; a `target` is a label too.
Beside them stand two sets of scikit-learn that are no texts. What is finished is kept in `--cells`, so that the command
may be cut off and given again. Each set has files of its own: processes with other `--sets` may run beside each other,
and the command without `--sets` then writes the table of them all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.strategies.default_sets import TUNED_ON, load_sets, split_of
from benchmarks.strategies.evidence_tables import write_table
from benchmarks.strategies.rare_classes import RARE, rare_rows
from benchmarks.strategies.seed_curves import summaries
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.simulation.comparison import Summary
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.reporting.report import format_interval
from nextlabel.server.simulation.settings import Protocol

STRATEGIES = ("random", "margin", "default")
CHECKPOINTS = (20, 40, 60, 100, 200)
POOL, BATCH = 3000, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--document", type=Path)
    parser.add_argument("--only-rare", action="store_true", help="print the second table alone")
    parser.add_argument("--sets", default="", help="names with commas between; all by default")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rare-seeds", type=int, default=10)
    parser.add_argument(
        "--rare-strategies", default=",".join(STRATEGIES), help="names with commas between; see peers.py"
    )
    parser.add_argument("--learner", default="logistic_regression")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--cells", type=Path, default=Path(".cache/benchmarks/default_regions"))
    options = parser.parse_args()
    if options.only_rare:
        list(_rare(options))
        return
    lines = [*_against_random(options), *_shown(""), *_rare(options)]
    if options.document:
        write_table(options.document, "\n".join(lines))


def _against_random(options: argparse.Namespace) -> Iterator[str]:
    yield from _shown(
        f"| set | tuned on | {' | '.join(map(str, CHECKPOINTS))} | mean, p | margin | macro-F1 at 20 | mean |"
    )
    yield from _shown(f"| --- | --- |{' ---: |' * (len(CHECKPOINTS) + 4)}")
    for dataset, name in load_sets(options.data, options.cache):
        if options.sets and name not in options.sets.split(","):
            continue
        yield from _shown(_row(name, *_measured(dataset, options, options.cells / f"{name}.{options.learner}")))


def _measured(
    dataset: Dataset, options: argparse.Namespace, cells: Path
) -> tuple[dict[str, Summary], dict[str, Summary]]:
    splits = [split_of(dataset, seed, POOL) for seed in range(options.seeds)]
    budget = min(CHECKPOINTS[-1], len(splits[0].dataset) * 4 // 5)
    protocol = Protocol(BATCH, budget, 0, 0.0, parse_learner_spec(options.learner, {}), pool_share=1.0)
    return summaries(splits, protocol, STRATEGIES, cells)


def _row(name: str, by_accuracy: dict[str, Summary], by_macro_f1: dict[str, Summary]) -> str:
    default, margin, default_f1 = by_accuracy["default"], by_accuracy["margin"], by_macro_f1["default"]
    curve = {point.labels: point.accuracy_vs_random for point in default.learning_curve}
    cells = [format_interval(curve[at], signed=True) if at in curve else "" for at in CHECKPOINTS]
    mean = f"{format_interval(default.aulc_accuracy_vs_random, signed=True)}, {default.sign_flip_p:.3f}"
    other = format_interval(margin.aulc_accuracy_vs_random, signed=True)
    macro_f1 = [
        format_interval(value, signed=True)
        for value in (default_f1.learning_curve[0].accuracy_vs_random, default_f1.aulc_accuracy_vs_random)
    ]
    cells += [mean, other, *macro_f1]
    return f"| {name} | {'yes' if name in TUNED_ON else 'no'} | {' | '.join(cells)} |"


def _rare(options: argparse.Namespace) -> Iterator[str]:
    yield from _shown("| set | positives in the pool | strategy | found in 200 labels | average precision |")
    yield from _shown("| --- | ---: | --- | ---: | ---: |")
    for dataset, name in load_sets(options.data, options.cache):
        if name not in RARE or (options.sets and name not in options.sets.split(",")):
            continue
        strategies, kept = options.rare_strategies.split(","), options.cells / f"{name}.rare.jsonl"
        for row in rare_rows(dataset, strategies, options.rare_seeds, kept):
            yield from _shown(f"| {name} | {row}")


def _shown(line: str) -> Iterator[str]:
    print(line, flush=True)
    yield line


if __name__ == "__main__":
    main()

"""How far short runs stop by each rule, what that saves, and whether forecasts hold.

    python -m benchmarks.stopping DATA_DIR KEPT --seeds 20

Every run buys 25 batches of 20 labels with `margin` on one of five sets; its models are kept in KEPT as their
predictions, on which all rules are tried. Tables go to stdout as Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.assessment.report import markdown
from benchmarks.stopping.rules import RULES, Rule, Watched, forecast_covers, stopped_at, target_reached
from benchmarks.stopping.traces import SETS, Trace, traces

HOLDOUTS = (100, 300)
CLOSE = 0.01


def main() -> None:
    """Make the traces that are missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("kept", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--learner", default="logistic_regression")
    args = parser.parse_args()
    found = list(traces(args.data, args.kept, args.learner, args.seeds))
    tables = [_rules(found, 300), _targets(found), _forecasts(found)]
    sys.stdout.write("\n\n".join(tables) + "\n")


def _rules(found: Sequence[Trace], holdout: int) -> str:
    runs = [Watched.of(trace, holdout) for trace in found]
    rows = [(name, *_judged(runs, rule)) for name, rule in RULES.items()]
    title = f"{len(runs)} runs, holdout of {holdout}: within {CLOSE:g} of the accuracy of all 500 labels"
    columns = (
        "rule",
        "within",
        "stopped early",
        "labels saved",
        "points short",
        *(f"{name}: within / saved" for name in SETS),
    )
    shown: str = markdown(title, columns, rows)
    return shown


def _judged(runs: Sequence[Watched], rule: Rule) -> list[object]:
    by_set: defaultdict[str, list[tuple[float, ...]]] = defaultdict(list)
    for run in runs:
        at, last = stopped_at(run, rule), len(run.labels) - 1
        true = run.trace.right.mean(axis=1)
        saved = 1 - float(run.labels[at] / run.labels[-1])
        by_set[run.trace.name].append(
            (true[at] >= true[-1] - CLOSE, at < last, saved, 100 * float(true[-1] - true[at]))
        )
    everything = np.array([row for rows in by_set.values() for row in rows], float).mean(axis=0)
    each = [np.array(by_set[name], float).mean(axis=0) for name in SETS]
    return [*everything.tolist(), *(f"{one[0]:.2f} / {one[2]:.2f}" for one in each)]


def _targets(found: Sequence[Trace]) -> str:
    rows = []
    for holdout in HOLDOUTS:
        runs = [Watched.of(trace, holdout) for trace in found]
        for below_end in (0.0, 0.05, 0.1):
            targets = [float(run.accuracy[-1]) - below_end for run in runs]
            for name, shown in (("bare reading", False), ("lower bound", True)):
                stops = [target_reached(run, target, shown=shown) for run, target in zip(runs, targets, strict=True)]
                short = [
                    at is not None and bool(run.accuracy[at] < target)
                    for run, at, target in zip(runs, stops, targets, strict=True)
                ]
                reached = float(np.mean([at is not None for at in stops]))
                rows.append((holdout, f"{100 * below_end:g}", name, reached, float(np.mean(short))))
    columns = ("holdout", "target: points below the end", "by", "runs stopped", "runs stopped below the target")
    shown_table: str = markdown("Targets", columns, rows)
    return shown_table


def _forecasts(found: Sequence[Trace]) -> str:
    rows = []
    for holdout in HOLDOUTS:
        runs = [Watched.of(trace, holdout) for trace in found]
        for at in (7, 11, 14):
            covered = np.array([forecast_covers(run, at, 10) for run in runs], float).mean(axis=0)
            rows.append((holdout, 20 * (at + 1), *covered.tolist()))
    columns = ("holdout", "labels", "intervals that hold", "width", "gain forecast", "gain true")
    shown: str = markdown("Forecasts of what 200 more labels gain", columns, rows)
    return shown


if __name__ == "__main__":
    main()

"""The multi-label learner and what it is asked next, with error bars.

    python -m benchmarks.learners.multi_label DATA_DIR --cache CACHE --seeds 3 --document docs/evidence/multi_label.md

The sets are made of those in DATA_DIR (`multi_label_sets.py`). First the default learner against one balanced logistic
regression a class, given from 0.5 on, on the same random labels, with scikit-learn's C = 1 and with the C = 10 of the
default learner. Then the default strategy and others against random picks: the area under macro-F1 over the number of
labels. The tables are printed and, with ``--document``, written between the table markers of that file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import ttest_1samp

from benchmarks.learners.multi_label_sets import RECIPES, MultiLabelSet, load_multi_label_set
from benchmarks.learners.strategy_runs import add_options, run_strategies, seeds_of
from benchmarks.strategies.evidence_tables import write_table
from nextlabel.server.domain.learning.types.multi_label import MultiLabelLearner
from nextlabel.server.domain.selection.context import selection_context
from nextlabel.server.learners.multi_label.evaluation import evaluate_multi_label
from nextlabel.server.learners.multi_label.learner import train_multi_label
from nextlabel.server.learners.multi_label.model import MultiLabelModel
from nextlabel.server.learners.multi_label.training import MultiLabelTraining
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses
from nextlabel.strategies import ArrayPool, UnmetNeedError, get_strategy

LABELS = 300
BATCH, LAST = 25, 200
STRATEGIES = ("random", "default", "margin", "min_margin", "label_cardinality", "category_vectors", "bait")
BASELINES = {
    "C = 1": parse_learner_spec("logistic_regression", {"C": 1.0}),
    "C = 10": parse_learner_spec("logistic_regression", {"C": 10.0}),
}
DEFAULT = parse_learner_spec("default", {})


@dataclass(frozen=True, slots=True)
class Area:
    """The mean macro-F1 on the test part over all sizes of the labeled set, with what was picked by a strategy."""

    set: str
    strategy: str
    seed: int
    macro_f1: float


def training(data: MultiLabelSet, rows: Sequence[int]) -> MultiLabelTraining:
    """Return the labels of some rows by people, with the names of the classes."""
    classes = len(data.classes)
    return MultiLabelTraining(
        data.train_ND[rows],
        data.train_NC[rows].astype(np.float32),
        np.ones(len(rows), np.bool_),
        data.classes,
        DescribedClasses(data.names_CD, np.arange(classes), np.ones(classes, np.float32)),
    )


def learned(data: MultiLabelSet, seeds: Sequence[int]) -> list[str]:
    """Compare learners on the same random labels."""
    lines = [
        f"| set | classes | learner at {LABELS} labels | macro-F1 | micro-F1 | mAP | LRAP | all right | ECE |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, spec in {**BASELINES, "default": DEFAULT}.items():
        found = []
        for seed in seeds:
            rows = np.random.default_rng(seed).permutation(len(data.train_ND))[:LABELS]
            model = train_multi_label(training(data, rows.tolist()), spec, seed, None)
            figures = evaluate_multi_label(model, data.test_MD, data.test_MC)
            further = ("micro_f1", "mean_average_precision", "ranking_average_precision")
            found.append([figures.macro_f1, *(figures.measures[m] for m in further), figures.accuracy, figures.ece])
        means = " | ".join(f"{value:.3f}" for value in np.mean(found, axis=0))
        lines.append(f"| {data.name} | {len(data.classes)} | {name} | {means} |")
    return lines


def area(data: MultiLabelSet, strategy: str, seed: int) -> Area:
    """Label batch after batch and measure after each."""
    learner = MultiLabelLearner()
    chosen = get_strategy(strategy)
    rows: list[int] = []
    model: MultiLabelModel | None = None
    scores = []
    while len(rows) < LAST:
        left = np.setdiff1d(np.arange(len(data.train_ND)), rows)
        pool = ArrayPool(data.train_ND[left], rows=left)
        context = selection_context(chosen, learner, model, training(data, rows), seed * 1_000 + len(rows))
        try:
            picked = chosen.select(pool, BATCH, context).rows_k
        except UnmetNeedError:  # before the first labels, as the server does
            picked = get_strategy("random").select(pool, BATCH, context).rows_k
        rows += picked.tolist()
        model = train_multi_label(training(data, rows), DEFAULT, seed, model)
        scores.append(evaluate_multi_label(model, data.test_MD, data.test_MC).macro_f1)
    return Area(data.name, strategy, seed, float(np.mean(scores)))


def compared(areas: Sequence[Area]) -> list[str]:
    """Return the table of areas; differences to random with the standard error over seeds, a paired t test."""
    lines = [
        f"| set | strategy | seeds | macro-F1, mean of {BATCH} to {LAST} labels | beside random, points | p | above |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    value = {(a.set, a.strategy, a.seed): a.macro_f1 for a in areas}
    for name, strategy in dict.fromkeys((a.set, a.strategy) for a in areas):
        seeds = [a.seed for a in areas if (a.set, a.strategy) == (name, strategy)]
        own = np.array([value[name, strategy, seed] for seed in seeds])
        gain = 100 * (own - np.array([value[name, "random", seed] for seed in seeds]))
        beside = " | "
        if strategy != "random" and len(gain) > 1:
            error = gain.std(ddof=1) / len(gain) ** 0.5
            beside = f"{gain.mean():+.1f} ± {error:.1f} | {ttest_1samp(gain, 0).pvalue:.3f}"
        above = "" if strategy == "random" else f"{(gain > 0).sum()} of {len(gain)}"
        lines.append(f"| {name} | {strategy} | {len(seeds)} | {own.mean():.3f} | {beside} | {above} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(RECIPES))
    add_options(parser, STRATEGIES, seeds=3)
    options = parser.parse_args()
    sets = [load_multi_label_set(name, options.data, options.cache) for name in options.sets]
    tables = []
    if options.only != "strategies":
        parts = [learned(data, seeds_of(options)) for data in sets]
        tables.append("\n".join([*parts[0][:2], *(line for part in parts for line in part[2:])]))
        print(tables[-1], flush=True)
    if options.only != "learner":
        tables.append("\n".join(compared(run_strategies(options, sets, area))))
    text = "\n\n".join(tables)
    print(text)
    if options.document:
        write_table(options.document, text)


if __name__ == "__main__":
    main()

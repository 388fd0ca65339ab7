"""Strategies compared where each seed has a test part of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.strategies.default_sets import Split
from nextlabel.server.simulation.cell import Cell
from nextlabel.server.simulation.comparison import Summary, compare
from nextlabel.server.simulation.curves import Curves
from nextlabel.server.simulation.influence import accuracy_influence, macro_f1_influence
from nextlabel.server.simulation.packing import unpack
from nextlabel.server.simulation.record import Record, identity_of
from nextlabel.server.simulation.settings import Protocol
from nextlabel.server.simulation.workers import run_cells


def summaries(
    splits: Sequence[Split], protocol: Protocol, strategies: Sequence[str], folder: Path
) -> tuple[dict[str, Summary], dict[str, Summary]]:
    """Run what a folder lacks, a folder within it a seed, and compare the strategies with random.

    By accuracy, and by macro-F1, which stands in the place of accuracy then.
    """
    seeds = [_cells(split, protocol, strategies, seed, folder / str(seed)) for seed, split in enumerate(splits)]
    curves = {name: _curves([cells[name] for cells in seeds], splits) for name in strategies}
    by_macro_f1 = {
        name: replace(one, accuracy_SP=one.macro_f1_SP, accuracy_MP=one.macro_f1_MP) for name, one in curves.items()
    }
    by_accuracy, by_f1 = (
        {found.strategy: found for found in compare(measured, full_data_accuracy=1.0)}
        for measured in (curves, by_macro_f1)
    )
    return by_accuracy, by_f1


def _cells(split: Split, protocol: Protocol, strategies: Sequence[str], seed: int, folder: Path) -> dict[str, Cell]:
    record = Record(folder, identity_of(split.dataset, protocol))
    missing = [(name, seed) for name in strategies if (name, seed) not in record.finished]
    for cell in run_cells(split.dataset, protocol, missing, workers=1):
        record.add(cell)
    return {name: record.finished[name, seed] for name in strategies}


def _curves(cells: Sequence[Cell], splits: Sequence[Split]) -> Curves:
    """Curves whose influences are those of all items that seeds draw their test parts from.

    An item moves the mean over seeds by what it moves the seeds that are tested on it. What the draw of a seed's own
    test part adds is also part of the spread between seeds: intervals are rather too wide than too narrow.
    """
    labels_P = np.array([point.labels for point in cells[0].points])
    everything = splits[0].all_test_items
    accuracy_MP, macro_f1_MP = (np.zeros((everything, len(labels_P))) for _ in range(2))
    for cell, split in zip(cells, splits, strict=True):
        labels_M = split.dataset.test_labels_M
        predicted_PM = unpack(cell.predicted, len(labels_P))
        share = everything / len(labels_M) / len(cells)
        accuracy_MP[split.test_items_M] += share * accuracy_influence(labels_M, predicted_PM)
        macro_f1_MP[split.test_items_M] += share * macro_f1_influence(labels_M, predicted_PM)
    return Curves(
        labels_P,
        np.array([[point.accuracy for point in cell.points] for cell in cells]),
        np.array([[point.macro_f1 for point in cell.points] for cell in cells]),
        accuracy_MP,
        macro_f1_MP,
    )

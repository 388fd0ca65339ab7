"""Agreement beyond chance of two annotators (Cohen 1960) and of many (Fleiss 1971)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.agreement.jackknife import jackknife_bounds
from nextlabel.server.assessment.intervals import Estimate, wilson_bounds

Floats = npt.NDArray[np.float64]


def cohen_kappa(confusion_CC: npt.NDArray[np.integer], error: float = 0.05) -> Estimate | None:
    """Return Cohen's kappa of two annotators, or of an annotator and gold, with an interval that misses by ``error``.

    ``confusion_CC`` counts items by the label of the first and of the second. None without items, and when both
    gave one label only, where chance agrees fully too.
    """
    counts = np.asarray(confusion_CC, np.float64)
    items, chance = counts.sum(), _cohen_chance(counts)
    if items == 0 or chance > 1 - 1e-12:
        return None

    def kappa(table: Floats) -> float:
        chance = _cohen_chance(table)
        return float((np.trace(table) / table.sum() - chance) / (1 - chance)) if chance < 1 - 1e-12 else np.nan

    value, agreed = kappa(counts), float(np.trace(counts) / items)
    return _bounded(value, agreed, chance, int(items), cell_jackknife(value, counts, kappa, error), error)


def fleiss_kappa(counts_NC: npt.NDArray[np.integer], error: float = 0.05) -> Estimate | None:
    """Return Fleiss' kappa; ``counts_NC`` counts the answers of each item by class.

    Items may have different numbers of answers; those with fewer than two do not count. With the same number each it
    is Fleiss' own. None without such items and when all answers are the same. ``error`` is how often the interval may
    miss, by default 5 %.
    """
    table = np.asarray(counts_NC, np.float64)
    table = table[table.sum(axis=1) > 1]
    if not len(table):
        return None
    kinds_KC, sizes = np.unique(table, axis=0, return_counts=True)
    sizes_K = sizes.astype(np.float64)
    answers_K = kinds_KC.sum(axis=1)
    agreed_K = (kinds_KC * (kinds_KC - 1)).sum(axis=1) / (answers_K * (answers_K - 1))
    items, totals_C = sizes_K.sum(), sizes_K @ kinds_KC
    agreed, chance = float(sizes_K @ agreed_K / items), float((totals_C**2).sum() / totals_C.sum() ** 2)
    if chance > 1 - 1e-12:
        return None
    value = (agreed - chance) / (1 - chance)
    without_KC = totals_C - kinds_KC
    answers_left = np.maximum(without_KC.sum(axis=1), 1.0)
    chance_K = (without_KC**2).sum(axis=1) / answers_left**2
    agreed_without_K = (agreed * items - agreed_K) / max(items - 1, 1.0)
    defined = chance_K < 1 - 1e-12
    without_K = np.where(defined, (agreed_without_K - chance_K) / np.where(defined, 1 - chance_K, 1.0), value)
    bounds = jackknife_bounds(value, without_K, sizes_K, error)
    return _bounded(value, agreed, chance, int(items), bounds, error)


def label_counts(units: Sequence[Sequence[str]], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return how often each of N items was given each of C classes, (N, C); other labels are left out."""
    place = {name: i for i, name in enumerate(classes)}
    counts_NC = np.zeros((len(units), len(classes)), np.int64)
    for n, labels in enumerate(units):
        for label in labels:
            if label in place:
                counts_NC[n, place[label]] += 1
    return counts_NC


def _cohen_chance(table: Floats) -> float:
    total = table.sum()
    return float(table.sum(axis=0) @ table.sum(axis=1) / total**2) if total else 1.0


def _bounded(
    value: float, agreed: float, chance: float, items: int, bounds: tuple[float, float], error: float
) -> Estimate:
    """Widen the jackknife's bounds to what Wilson's interval says of the agreement, chance held as it is."""
    low, high = ((share - chance) / (1 - chance) for share in wilson_bounds(agreed, items, error))
    return Estimate(value, max(-1.0, min(low, bounds[0])), min(1.0, max(high, bounds[1])), items)


def cell_jackknife(
    value: float, counts_CC: Floats, statistic: Callable[[Floats], float], error: float = 0.05
) -> tuple[float, float]:
    """Return the bounds of a statistic of a table of counts; undefined values without an item count as none."""
    without, sizes = [], []
    for i, j in zip(*np.nonzero(counts_CC), strict=True):
        counts_CC[i, j] -= 1
        found = statistic(counts_CC) if counts_CC.any() else np.nan
        counts_CC[i, j] += 1
        without.append(value if np.isnan(found) else found)
        sizes.append(counts_CC[i, j])
    return jackknife_bounds(value, np.array(without), np.array(sizes), error)

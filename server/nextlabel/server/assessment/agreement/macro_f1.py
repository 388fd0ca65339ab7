"""Macro-F1 with its interval.

Some of the classes have few items, and decide how sure the mean is. Three intervals are taken together: Wilson's at the
effective number of items by the jackknife's variance (Efron and Stein 1981), with as many degrees of freedom as rare
classes leave (Satterthwaite 1946); the classes' own, from Wilson's of their share TP / (TP + FP + FN), combined as
Zou and Donner (2008) do; and that of the share of right items, since without a mistake nothing varies.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.agreement.jackknife import jackknife_variance
from nextlabel.server.assessment.estimates.effective import share_estimate
from nextlabel.server.assessment.intervals import Estimate, quantile, wilson_interval

Floats = npt.NDArray[np.float64]


def macro_f1(confusion_CC: npt.NDArray[np.integer], error: float = 0.05) -> Estimate:
    """Return the mean F1 of the classes that occur, among the true or the given labels, with its interval.

    ``confusion_CC`` counts items by true class (row) and given class (column). ``error`` is how often the interval may
    miss.

    Raises:
        ValueError: there is no item.
    """
    counts = np.asarray(confusion_CC, np.float64)
    items = int(counts.sum())
    accuracy = wilson_interval(int(np.trace(counts)), items, error)
    hits_C, uses_C = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    f1_C = _f1(hits_C, uses_C)
    total, classes = float(f1_C.sum()), int((uses_C > 0).sum())
    true_K, given_K = np.nonzero(counts)
    same_K = true_K == given_K
    # Without an item of a cell only the F1 of its two classes changes, and a class may be gone.
    less_true_K = _f1(hits_C[true_K] - same_K, uses_C[true_K] - 1 - same_K)
    less_given_K = np.where(same_K, 0.0, _f1(hits_C[given_K], uses_C[given_K] - 1))
    totals_K = total - f1_C[true_K] - np.where(same_K, 0.0, f1_C[given_K]) + less_true_K + less_given_K
    gone_K = (uses_C[true_K] - 1 - same_K <= 0).astype(np.int64) + (~same_K & (uses_C[given_K] <= 1))
    value = total / classes
    without_K = np.where(gone_K < classes, totals_K / np.maximum(classes - gone_K, 1), value)
    variance = jackknife_variance(without_K, counts[true_K, given_K])
    return _with_interval(value, variance, hits_C, uses_C, accuracy, error)


def macro_f1_of_sets(true_NC: npt.NDArray[np.bool_], given_NC: npt.NDArray[np.bool_], error: float = 0.05) -> Estimate:
    """Return the mean F1 of the classes that occur, where any number of them applies to an item, with its interval.

    0 where no class occurs. The interval is that of `macro_f1`, and never surer than that of the share of items whose
    classes are all right.

    Raises:
        ValueError: there is no item.
    """
    items = len(true_NC)
    accuracy = wilson_interval(int((true_NC == given_NC).all(axis=1).sum()), items, error)
    hits_NC = (true_NC & given_NC).astype(np.float64)
    uses_NC = true_NC.astype(np.float64) + given_NC
    hits_C, uses_C = hits_NC.sum(axis=0), uses_NC.sum(axis=0)
    classes = int((uses_C > 0).sum())
    if not classes:
        return Estimate(0.0, 0.0, 1.0, items)
    value = float(_f1(hits_C, uses_C).sum()) / classes
    left_NC = uses_C - uses_NC
    classes_N = (left_NC > 0).sum(axis=1)
    totals_N = _f1(hits_C - hits_NC, left_NC).sum(axis=1)
    without_N = np.where(classes_N > 0, totals_N / np.maximum(classes_N, 1), value)
    return _with_interval(value, jackknife_variance(without_N, np.ones(items)), hits_C, uses_C, accuracy, error)


def _f1(hits_n: Floats, uses_n: Floats) -> Floats:
    return np.divide(2 * hits_n, uses_n, out=np.zeros(uses_n.shape), where=uses_n > 0)


def _with_interval(
    value: float, variance: float, hits_C: Floats, uses_C: Floats, accuracy: Estimate, error: float
) -> Estimate:
    """Return macro-F1 with its interval; ``uses_C`` counts the items that have a class, true and given ones alike."""
    occurs_C = uses_C > 0
    hits, items = hits_C[occurs_C], (uses_C - hits_C)[occurs_C]
    freedom = _freedom(hits, items)
    whole = share_estimate(value, variance, accuracy.items, accuracy.items, freedom, error)
    low_C, high_C = _class_bounds(hits, items, error)
    f1_C = _f1(hits, hits + items)
    spread = (
        float(((f1_C - low_C) ** 2).sum()) ** 0.5 / len(f1_C),
        float(((high_C - f1_C) ** 2).sum()) ** 0.5 / len(f1_C),
    )
    low = min(whole.low, value - spread[0], value - accuracy.value + accuracy.low)
    high = max(whole.high, value + spread[1], value - accuracy.value + accuracy.high)
    return Estimate(value, max(0.0, low), min(1.0, high), accuracy.items)


def _freedom(hits_C: Floats, items_C: Floats) -> float:
    """Return the degrees of freedom of a mean of F1 over classes, of which each has one less than items."""
    share_C = (hits_C + 1) / (items_C + 2)
    variance_C = share_C * (1 - share_C) / items_C * (2 / (1 + share_C) ** 2) ** 2
    return max(1.0, float(variance_C.sum() ** 2 / (variance_C**2 / np.maximum(items_C - 1, 0.5)).sum()))


def _class_bounds(hits_C: Floats, items_C: Floats, error: float) -> tuple[Floats, Floats]:
    """Return Wilson's bounds of each class's share TP / (TP + FP + FN) as bounds of its F1, which rises with it."""
    share_C, squared = hits_C / items_C, quantile(error) ** 2
    centre_C = (share_C + squared / (2 * items_C)) / (1 + squared / items_C)
    spread_C = share_C * (1 - share_C) / items_C + squared / (4 * items_C**2)
    half_C = (squared * spread_C) ** 0.5 / (1 + squared / items_C)
    low_C, high_C = np.maximum(centre_C - half_C, 0.0), np.minimum(centre_C + half_C, 1.0)
    return 2 * low_C / (1 + low_C), 2 * high_C / (1 + high_C)

"""Macro-F1 with its interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.agreement.jackknife import jackknife_bounds
from nextlabel.server.assessment.intervals import Estimate, wilson_interval

Floats = npt.NDArray[np.float64]


def macro_f1(confusion_CC: npt.NDArray[np.integer], error: float = 0.05) -> Estimate:
    """Return the mean F1 of the classes that occur, among the true or the given labels, with its interval.

    ``confusion_CC`` counts items by true class (row) and given class (column). The interval is the jackknife's, which
    covers better than the percentile bootstrap where classes are rare. ``error`` is how often it may miss.

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
    low, high = jackknife_bounds(value, without_K, counts[true_K, given_K], error)
    # Without a mistake nothing varies, yet few items prove little: not surer than the accuracy is.
    low, high = min(low, value - accuracy.value + accuracy.low), max(high, value - accuracy.value + accuracy.high)
    return Estimate(value, max(0.0, low), min(1.0, high), items)


def macro_f1_of_sets(true_NC: npt.NDArray[np.bool_], given_NC: npt.NDArray[np.bool_], error: float = 0.05) -> Estimate:
    """Return the mean F1 of the classes that occur, where any number of them applies to an item, with its interval.

    0 where no class occurs. As for `macro_f1`, the interval is the jackknife's and never surer than that of the share
    of items whose classes are all right.

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
    low, high = jackknife_bounds(value, without_N, np.ones(items), error)
    low, high = min(low, value - accuracy.value + accuracy.low), max(high, value - accuracy.value + accuracy.high)
    return Estimate(value, max(0.0, low), min(1.0, high), items)


def _f1(hits_n: Floats, uses_n: Floats) -> Floats:
    return np.divide(2 * hits_n, uses_n, out=np.zeros(uses_n.shape), where=uses_n > 0)

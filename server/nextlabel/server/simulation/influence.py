"""What other test items would have shown: the part of a curve's uncertainty that more seeds do not remove.

All seeds are tested on the same items, so that the chance in their choice is common to all and does not average out.
To first order a score moves with the test items by the mean of their influences on it (the infinitesimal
jackknife), whose spread is seen on the items that there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.simulation.bootstrap import RESAMPLES

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def accuracy_influence(labels_M: Int64, predicted_PM: Int64) -> Float64:
    """Return each test item's influence on the accuracy at each point, mean 0, shape (M, P)."""
    right_PM = (predicted_PM == labels_M).astype(np.float64)
    return np.asarray((right_PM - right_PM.mean(axis=1, keepdims=True)).T)


def macro_f1_influence(labels_M: Int64, predicted_PM: Int64) -> Float64:
    """Return each test item's influence on macro-F1 at each point, mean 0, shape (M, P).

    Macro-F1 is the mean of 2 TP / (labels + calls) over the classes that occur; an item counts in the fraction of its
    own class and in that of the class that it is called.
    """
    return np.stack([_macro_f1_influence(labels_M, predicted_M) for predicted_M in predicted_PM], axis=1)


def _macro_f1_influence(labels_M: Int64, predicted_M: Int64) -> Float64:
    n_classes = int(max(labels_M.max(), predicted_M.max())) + 1
    right_M = labels_M == predicted_M
    hits_C = np.bincount(labels_M[right_M], minlength=n_classes)
    named_C = np.bincount(labels_M, minlength=n_classes) + np.bincount(predicted_M, minlength=n_classes)
    share_C = np.maximum(named_C, 1) / len(labels_M)
    f1_C = 2 * hits_C / np.maximum(named_C, 1)
    missed_C, gained_C = -f1_C / share_C, (1 - f1_C) / share_C
    of_item_M = np.where(
        right_M, gained_C[labels_M] + gained_C[predicted_M], missed_C[labels_M] + missed_C[predicted_M]
    )
    return np.asarray(of_item_M / np.count_nonzero(named_C))


def moved_by_other_tests(influence_MP: Float64) -> Float64:
    """Return by how much other test sets of M items would move the curves, (B, P); always the same draws.

    Influences of several curves side by side give their moves together. Without items, none moves.
    """
    items, points = influence_MP.shape
    if items == 0:
        return np.zeros((RESAMPLES, points))
    variances_P, directions_PP = np.linalg.eigh(influence_MP.T @ influence_MP / items**2)
    draws_BP = np.random.default_rng(1).standard_normal((RESAMPLES, points))
    return np.asarray((draws_BP * np.sqrt(np.maximum(variances_P, 0))) @ directions_PP.T)

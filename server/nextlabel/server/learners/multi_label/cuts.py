"""Where the log-odds of a class are high enough to give it: tuned for F1 on answers that the heads had not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

SHARED = np.linspace(-4, 4, 81)
OWN_AFTER = 50.0
"""Items of a class at which its own cut counts as much as the one that all classes share."""


def tuned_cuts(logits_nC: Float64, truth_nC: Bool) -> NDArray[np.float32]:
    """Return the cut of every class, (C,) log-odds.

    A cut tuned on a handful of items is mostly noise, so that of a class is drawn towards the best common one, less
    the more items of the class there are.

    Args:
        logits_nC: log-odds by heads that had not seen these items.
        truth_nC: which classes apply.
    """
    shared = shared_cut(logits_nC, truth_nC)
    items_C = truth_nC.sum(axis=0)
    own_C = np.array([_own_cut(logits_nC[:, c], truth_nC[:, c], shared) for c in range(truth_nC.shape[1])])
    trust_C = items_C / (items_C + OWN_AFTER)
    return np.asarray(trust_C * own_C + (1 - trust_C) * shared, np.float32)


def shared_cut(logits_nC: Float64, truth_nC: Bool) -> float:
    """Return the common cut of highest mean F1 over the classes that occur; 0 where none does."""
    occurring = truth_nC.any(axis=0)
    if not occurring.any():
        return 0.0
    logits_nC, truth_nC = logits_nC[:, occurring], truth_nC[:, occurring]
    items_C = truth_nC.sum(axis=0)
    scores = []
    for cut in SHARED:
        given_nC = logits_nC > cut
        scores.append((2 * (given_nC & truth_nC).sum(axis=0) / (given_nC.sum(axis=0) + items_C)).mean())
    return float(SHARED[int(np.argmax(scores))])


def _own_cut(logits_n: Float64, truth_n: Bool, otherwise: float) -> float:
    """Return the cut of highest F1 of one class, midway between two logits; ``otherwise`` for a class without items."""
    if not truth_n.any():
        return otherwise
    order = np.argsort(-logits_n, kind="stable")
    sorted_n = logits_n[order]
    given_n = np.arange(1, len(order) + 1)
    f1_n = 2 * np.cumsum(truth_n[order]) / (given_n + truth_n.sum())
    last = int(np.argmax(f1_n))
    below = sorted_n[last + 1] if last + 1 < len(order) else sorted_n[last] - 1
    return float((sorted_n[last] + below) / 2)

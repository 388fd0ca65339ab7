"""Davidson's model of paired comparisons with ties (Davidson 1970, JASA 65:317).

A text with reward r is preferred to one with reward r' with log-odds r - r', and a tie is ν times the geometric mean of
both as probable as either: a softmax of (s / 2, log ν, -s / 2) where s = r - r'.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

Float64 = NDArray[np.float64]

FIRST, TIE, SECOND = range(3)
"""Places of the answers, from the first text to the second, as in `PREFERENCES`."""

SIDES = np.array([0.5, 0.0, -0.5])
KNOWN_OF_TIES = np.array([0.5, 0.5, 0.5])
"""Answers about equal texts that stand for what is known before any: they keep ν finite where no answer is a tie."""


def log_probabilities(advantage_n: Float64, log_tie: float) -> Float64:
    """Return logarithms of the probabilities of first, tie and second, (n, 3), by how much better the first is.

    >>> np.exp(log_probabilities(np.array([0.0, 100.0]), 0.0)).round(3).tolist()
    [[0.333, 0.333, 0.333], [1.0, 0.0, 0.0]]
    """
    logits_n3 = advantage_n[:, None] * SIDES
    logits_n3[:, TIE] += log_tie
    return np.asarray(log_softmax(logits_n3, axis=1))


def slopes(advantage_n: Float64, log_tie: float) -> tuple[Float64, Float64]:
    """Return how the logarithms change with the advantage and with ``log_tie``, (n, 3) each."""
    probabilities_n3 = np.exp(log_probabilities(advantage_n, log_tie))
    by_advantage_n3 = SIDES - (probabilities_n3 @ SIDES)[:, None]
    return by_advantage_n3, np.eye(3)[TIE] - probabilities_n3[:, [TIE]]


def curvature(advantage_n: Float64, log_tie: float) -> Float64:
    """Return the information that an answer about each of n pairs gives of its advantage, (n,), at most 1/4.

    >>> curvature(np.zeros(1), -100.0).round(3).tolist()
    [0.25]
    """
    probabilities_n3 = np.exp(log_probabilities(advantage_n, log_tie))
    return np.asarray(probabilities_n3 @ SIDES**2 - (probabilities_n3 @ SIDES) ** 2)

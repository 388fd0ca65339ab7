"""Thurstone's model of paired comparisons, case V, with ties (Thurstone 1927; Glenn and David 1960, Biometrics 16:86).

How good a text looks at the moment of an answer is its reward with normal noise, and a difference below a threshold is
a tie. Advantages are stretched so that they are close to log-odds, as those of Davidson's model are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

Float64 = NDArray[np.float64]

PER_DEVIATION = 1.702
"""Log-odds that one standard deviation stands for: the logistic and the normal curve then differ by at most .01."""

_LEAST = -700.0


def log_probabilities(advantage_n: Float64, log_tie: float) -> Float64:
    """Return logarithms of the probabilities of first, tie and second, (n, 3), by how much better the first is.

    ``log_tie`` is the logarithm of the threshold, in standard deviations.

    >>> np.exp(log_probabilities(np.array([0.0, 100.0]), -100.0)).round(3).tolist()
    [[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]
    """
    z_n, threshold = advantage_n / PER_DEVIATION, np.exp(log_tie)
    first_n, second_n = log_ndtr(z_n - threshold), log_ndtr(-z_n - threshold)
    # By symmetry in the tail where both terms of the difference are far below 1.
    upper_n, lower_n = log_ndtr(-np.abs(z_n) + threshold), log_ndtr(-np.abs(z_n) - threshold)
    tie_n = upper_n + np.log(-np.expm1(np.minimum(lower_n - upper_n, -1e-300)))
    return np.asarray(np.maximum(np.stack([first_n, tie_n, second_n], axis=1), _LEAST))


def slopes(advantage_n: Float64, log_tie: float) -> tuple[Float64, Float64]:
    """Return how the logarithms change with the advantage and with ``log_tie``, (n, 3) each."""
    z_n, threshold = advantage_n / PER_DEVIATION, np.exp(log_tie)
    log_n3 = log_probabilities(advantage_n, log_tie)
    above_n, below_n = _log_density(z_n - threshold), _log_density(z_n + threshold)
    first_n, second_n = np.exp(above_n - log_n3[:, 0]), np.exp(below_n - log_n3[:, 2])
    to_first_n, to_second_n = np.exp(above_n - log_n3[:, 1]), np.exp(below_n - log_n3[:, 1])
    by_advantage_n3 = np.stack([first_n, to_second_n - to_first_n, -second_n], axis=1) / PER_DEVIATION
    by_tie_n3 = np.stack([-first_n, to_second_n + to_first_n, -second_n], axis=1) * threshold
    return by_advantage_n3, by_tie_n3


def _log_density(z_n: Float64) -> Float64:
    return np.asarray(-(z_n**2) / 2 - np.log(2 * np.pi) / 2)

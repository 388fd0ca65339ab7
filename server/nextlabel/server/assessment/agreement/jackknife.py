"""Intervals of statistics that have no formula of their own."""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit


def jackknife_bounds(
    value: float, without_one_n: npt.NDArray[np.float64], counts_n: npt.NDArray[np.float64], error: float = 0.05
) -> tuple[float, float]:
    """Return the bounds of a statistic from its values without one item (Tukey 1958, Efron and Stein 1981).

    They miss as often as ``error`` says, on both sides together, by default in 5 % of cases.
    ``without_one_n`` holds the statistic without one item of the n-th kind, of which there are ``counts_n``.
    """
    total = float(counts_n.sum())
    if total < 2:
        return -np.inf, np.inf
    half = float(stdtrit(total - 1, 1 - error / 2)) * sqrt(jackknife_variance(without_one_n, counts_n))
    return value - half, value + half


def jackknife_variance(without_one_n: npt.NDArray[np.float64], counts_n: npt.NDArray[np.float64]) -> float:
    """Return the variance of a statistic from its values without one item, infinite for fewer than two items."""
    total = float(counts_n.sum())
    if total < 2:
        return np.inf
    mean = float(counts_n @ without_one_n) / total
    return (total - 1) / total * float(counts_n @ (without_one_n - mean) ** 2)

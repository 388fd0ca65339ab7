"""Confidence intervals over seeds: the percentile bootstrap, widened for few seeds.

Plain percentile intervals are too narrow for small samples; the "expanded" percentiles of Hesterberg (2015,
arXiv 1411.5279, section 5.3) widen them to the length of a t interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % confidence interval; one seed alone gives no interval."""

    mean: float
    low: float | None
    high: float | None


@cache
def resample_weights(seeds: int) -> Float64:
    """Return how much each seed counts in each resample, (B, S), rows summing to 1; always the same."""
    rng = np.random.default_rng(0)
    return rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds


def interval(estimate: float, resampled_B: Float64, seeds: int) -> Interval:
    """Return the interval that the resampled estimates span."""
    low, high = bounds(resampled_B, seeds)
    return Interval(estimate, low, high)


def bounds(resampled_B: Float64, seeds: int) -> tuple[float, float] | tuple[None, None]:
    """Return the ends of the interval; infinite values are allowed, and may be an end."""
    if seeds < 2:
        return None, None
    from scipy.stats import norm, t

    tail = norm.cdf(np.sqrt(seeds / (seeds - 1)) * t.ppf((1 - CONFIDENCE) / 2, seeds - 1))
    # Values of the sample itself: interpolating next to an infinite one would give NaN.
    low, high = np.quantile(resampled_B, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def mean_interval(values_S: Float64, noise_B: Float64 | float = 0.0) -> Interval:
    """Return the mean over seeds with its interval.

    Args:
        noise_B: what each resample is off by beside, for a cause that all seeds have in common.

    >>> found = mean_interval(np.array([0.80, 0.82, 0.84]))
    >>> found.mean, found.low < 0.82 < found.high
    (0.82, True)
    """
    return interval(float(values_S.mean()), resample_weights(len(values_S)) @ values_S + noise_B, len(values_S))

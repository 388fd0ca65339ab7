"""Intervals of shares that were not estimated by counting."""

from __future__ import annotations

import math

from scipy.special import stdtrit

from nextlabel.server.assessment.intervals import Estimate, quantile, wilson_bounds


def share_estimate(
    value: float, variance: float, items: int, fallback_size: float, freedom: float, error: float = 0.05
) -> Estimate:
    """Return a share in [0, 1] with Wilson's interval at its effective sample size (Korn and Graubard 1998).

    The effective size is that of a simple sample with the same variance, made smaller by what estimating the variance
    with ``freedom`` degrees of freedom costs (Student's quantile instead of the normal one). Where nothing varied (no
    error was seen) there is none, and ``fallback_size`` stands in for it. An unbiased ``value`` may lie
    outside of [0, 1]: the nearest share is returned. ``error`` is how often the interval may miss.
    """
    bounded = min(max(value, 0.0), 1.0)
    spread = bounded * (1 - bounded)
    known_spread = 0 < variance < math.inf and spread > 0
    dearer = (quantile(error) / float(stdtrit(freedom, 1 - error / 2))) ** 2
    size = spread / variance * dearer if known_spread else fallback_size
    low, high = wilson_bounds(bounded, max(size, 1.0), error)
    return Estimate(bounded, low, high, items)

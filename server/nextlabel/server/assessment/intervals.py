"""How sure we can be of a figure."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure (a share, a difference of two, a coefficient) with its 95 % interval and the items behind it."""

    value: float
    low: float
    high: float
    items: int


def wilson_interval(hits: int, n: int, error: float = 0.05) -> Estimate:
    """Return the share ``hits / n`` with its score interval (Wilson 1927), which holds for small n too.

    ``error`` is how often it may miss: by default it is a 95 % interval.

    Raises:
        ValueError: n is below 1 or hits outside [0, n].
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}; hits must lie between 0 and n, and n be at least 1")
    low, high = wilson_bounds(hits / n, n, error)
    return Estimate(hits / n, low, high, n)


def wilson_bounds(share: float, n: float, error: float = 0.05) -> tuple[float, float]:
    """Return the bounds of Wilson's interval for a share of ``n`` items, of which neither need be a whole number."""
    z = quantile(error)
    squared = z * z
    centre = (share + squared / (2 * n)) / (1 + squared / n)
    half = z * sqrt(share * (1 - share) / n + squared / (4 * n * n)) / (1 + squared / n)
    # Rounding must not put a share of 0 or 1 outside of its interval.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def paired_difference(gained: int, lost: int, n: int, error: float = 0.05) -> Estimate:
    """Return the difference of two shares of the same ``n`` items with its interval (Bonett and Price 2012).

    ``gained`` items are right the second time only, ``lost`` ones the first time only. The interval is the adjusted
    Wald one, within [-1, 1], which holds for small n too. ``error`` is how often it may miss, by default 5 %.

    Raises:
        ValueError: n is below 1, or gained and lost do not fit into it.
    """
    if n < 1 or gained < 0 or lost < 0 or gained + lost > n:
        raise ValueError(f"{gained} gained and {lost} lost of {n}; none may be negative, nor their sum above n")
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = quantile(error) * sqrt((up + down - (up - down) ** 2) / (n + 2))
    return Estimate((gained - lost) / n, max(-1.0, up - down - half), min(1.0, up - down + half), n)


def quantile(error: float) -> float:
    """Return how many standard errors an interval reaches to both sides that may miss with ``error``."""
    return _Z_95 if error == 0.05 else NormalDist().inv_cdf(1 - error / 2)

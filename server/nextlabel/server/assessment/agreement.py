"""How far annotators agree, with how sure we can be of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share in [0, 1], or a difference of two, with its 95 % interval and the number of items behind it."""

    value: float
    low: float
    high: float
    items: int


def wilson_interval(hits: int, n: int) -> Estimate:
    """Return the share ``hits / n`` with its 95 % score interval (Wilson 1927), which holds for small n too.

    Raises:
        ValueError: n is below 1 or hits outside [0, n].
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}; hits must lie between 0 and n, and n be at least 1")
    share = hits / n
    squared = _Z_95**2
    centre = (share + squared / (2 * n)) / (1 + squared / n)
    half = _Z_95 * sqrt(share * (1 - share) / n + squared / (4 * n * n)) / (1 + squared / n)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n)


def paired_difference(gained: int, lost: int, n: int) -> Estimate:
    """Return the difference of two shares of the same ``n`` items with its 95 % interval (Bonett and Price 2012).

    ``gained`` items are right the second time only, ``lost`` ones the first time only. The interval is the adjusted
    Wald one, within [-1, 1], which holds for small n too.

    Raises:
        ValueError: n is below 1, or gained and lost do not fit into it.
    """
    if n < 1 or gained < 0 or lost < 0 or gained + lost > n:
        raise ValueError(f"{gained} gained and {lost} lost of {n}; none may be negative, nor their sum above n")
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = _Z_95 * sqrt((up + down - (up - down) ** 2) / (n + 2))
    return Estimate((gained - lost) / n, max(-1.0, up - down - half), min(1.0, up - down + half), n)


def krippendorff_alpha(units: Sequence[Sequence[str]]) -> float | None:
    """Return Krippendorff's alpha for nominal labels (Krippendorff 2011), None when it is not defined.

    ``units`` holds the labels that each item was given. 1 is perfect agreement, 0 what chance gives. Items with fewer
    than two labels do not count; with one label overall there is no disagreement to measure against.
    """
    pairable = [labels for labels in units if len(labels) > 1]
    totals = Counter(label for labels in pairable for label in labels)
    n = totals.total()
    if len(totals) < 2:
        return None
    observed = sum(
        (len(labels) ** 2 - sum(c * c for c in Counter(labels).values())) / (len(labels) - 1) for labels in pairable
    )
    expected = (n * n - sum(c * c for c in totals.values())) / (n - 1)
    return 1 - observed / expected

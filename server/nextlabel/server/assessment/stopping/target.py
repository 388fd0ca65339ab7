"""Whether a holdout that is looked at after every round shows that a target is reached.

The reading of the luckiest round is above the truth; a run that stops there stops short. So the lower confidence bound
has to reach the target, with an error that all looks share.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.special import betaincinv

from nextlabel.server.assessment.estimates.anytime import error_of_look

MOST_ITEMS = 1_000_000
LOOK = 10
"""The look that a forecast of what a holdout can show is made for: runs have about that many rounds."""


@dataclass(frozen=True, slots=True)
class Provable:
    """What a holdout of ``items`` can show of a target at the tenth look.

    ``fewest_right`` of its items have to be right, None where not even all of them would do. ``items_needed`` show the
    target for a model that is half-way between it and perfection.
    """

    items: int
    fewest_right: int | None
    items_needed: int

    @property
    def likely(self) -> bool:
        """Whether a model half-way between the target and perfection would be seen to have reached it."""
        return self.items >= self.items_needed


def lower_bound(right: int, n: int, look: int) -> float:
    """Return the exact lower bound (Clopper and Pearson 1934) of a share, ``right`` of ``n``, at a look (from 1).

    The bounds of all looks at the same items together are above the true shares with a probability of 5 % at most.

    Raises:
        ValueError: n is below 1 or right outside [0, n].
    """
    if n < 1 or not 0 <= right <= n:
        raise ValueError(f"{right} right of {n}; right must lie between 0 and n, and n be at least 1")
    return float(betaincinv(right, n - right + 1, error_of_look(look))) if right else 0.0


def provable(target: float, n: int) -> Provable:
    """Return what a holdout of ``n`` items can show of an accuracy ``target`` in (0, 1]."""
    bounds = betaincinv(np.arange(1, n + 1), n - np.arange(1, n + 1) + 1, error_of_look(LOOK))
    enough = np.flatnonzero(bounds >= target)
    fewest = int(enough[0]) + 1 if len(enough) else None
    return Provable(n, fewest, _items_needed(target))


def _items_needed(target: float) -> int:
    """Return how many items show the target at the tenth look, for a model half-way to perfection."""
    accuracy = (1 + target) / 2
    low, high = 1, 2
    while high < MOST_ITEMS and lower_bound(ceil(accuracy * high), high, LOOK) < target:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if lower_bound(ceil(accuracy * middle), middle, LOOK) >= target:
            high = middle
        else:
            low = middle + 1
    return min(high, MOST_ITEMS)

"""Whether paired differences could as well have had the other sign: a randomisation test."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

ALL_UP_TO = 14
"""Seeds up to which every pattern of signs is tried."""

PATTERNS = 10_000
"""Patterns tried with more seeds."""


def sign_flip_p(differences_S: Float64) -> float:
    """Return how probable a mean as far from 0 is, on either side, when every difference has its sign by chance.

    Fisher's randomisation test. Where two strategies are equally good each paired difference is as likely as its
    negative, and a value of at most .05 comes up in at most 5 % of cases whatever the distribution: no matter how few
    the seeds, how skewed their scores, how heavy the tails.

    >>> sign_flip_p(np.full(10, 0.01)) == 2 / 2**10
    True
    """
    seeds = len(differences_S)
    sums_B = np.abs(_signs(seeds) @ differences_S)
    seen = abs(float(differences_S.sum()))
    as_far = np.count_nonzero(sums_B >= seen - 1e-12 * max(1.0, seen))
    # Among drawn patterns the one that was seen counts, too, without which the level would not be exact.
    beside = 0 if seeds <= ALL_UP_TO else 1
    return float((as_far + beside) / (len(sums_B) + beside))


@cache
def _signs(seeds: int) -> Float64:
    """Return patterns of signs, (B, S): all that there are, or PATTERNS drawn ones."""
    if seeds <= ALL_UP_TO:
        return np.asarray(1.0 - 2 * ((np.arange(2**seeds)[:, None] >> np.arange(seeds)) & 1))
    return np.asarray(1.0 - 2 * np.random.default_rng(2).integers(0, 2, (PATTERNS, seeds)))

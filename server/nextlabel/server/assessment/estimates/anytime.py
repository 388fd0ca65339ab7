"""Intervals that may be watched: they hold at all looks together, whenever one stops looking."""

from __future__ import annotations

from math import log, sqrt
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq

from nextlabel.server.assessment.intervals import Estimate

CONFIDENCE = 0.95
_STAKES = np.geomspace(0.02, 5.0, 14)
_BETS = np.concatenate([-_STAKES[::-1], _STAKES])
_PAYOFFS = np.expm1(_BETS)
_NARROWEST_AT = 100
"""Number of draws at which an asymptotic sequence is tuned to be narrowest."""


def anytime_share(hits: int, n: int, error: float = 1 - CONFIDENCE) -> Estimate:
    """Return the share ``hits / n`` of a growing sample, with an interval that misses at any look with ``error``.

    For each share p that may be true, 28 bets of equal parts are made on the hits, each of a fixed stake b:
    exp(b * hits) / (1 - p + p * exp(b)) ** n. Ville's inequality bounds how often their sum ever exceeds 1 / error
    (a mixture of sub-Bernoulli supermartingales, Howard et al. 2021, arXiv 1810.08240). As log(1 - p + p * exp(b)) is
    concave in p, it also holds where the chance of a hit changes meanwhile: the interval is then of its mean so far.

    Raises:
        ValueError: n is below 1 or hits outside [0, n].
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}; hits must lie between 0 and n, and n be at least 1")
    bound, value, edge = log(len(_BETS) / error), hits / n, 1e-12

    def excess(share: float) -> float:
        return float(np.logaddexp.reduce(_BETS * hits - n * np.log1p(share * _PAYOFFS))) - bound

    middle = min(max(value, edge), 1 - edge)
    low = 0.0 if hits == 0 or excess(edge) < 0 else brentq(excess, edge, middle)
    high = 1.0 if hits == n or excess(1 - edge) < 0 else brentq(excess, middle, 1 - edge)
    return Estimate(value, float(low), float(high), n)


def error_watched(n: int, error: float = 1 - CONFIDENCE) -> float:
    """Return the error of an ordinary interval of n draws that is as wide as one which may be watched.

    An asymptotic confidence sequence (Waudby-Smith et al. 2021, arXiv 2103.06476, theorem 2.2): intervals of this
    error at every n miss at any look with ``error``, where a mean of some tens of guesses is nearly normal.

    >>> round(error_watched(100), 4), round(error_watched(10_000), 5)
    (0.0024, 0.00035)

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"{n} draws; there must be at least one")
    spent = -2 * log(error)
    tuned = n / _NARROWEST_AT * (spent + log(spent) + 1)
    reach = sqrt(2 * (1 + 1 / tuned) * (log(tuned + 1) / 2 - log(error)))
    return 2 * NormalDist().cdf(-reach)


def error_of_look(look: int, error: float = 1 - CONFIDENCE) -> float:
    """Return the share of ``error`` that the look number ``look`` (from 1) may spend; all looks add up to it.

    For figures that are measured anew on the same items at every look, such as models on one holdout.
    """
    if look < 1:
        raise ValueError(f"look {look}; looks are counted from 1")
    return error * 6 / (np.pi * look) ** 2

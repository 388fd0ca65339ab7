"""Intervals that may be watched: they hold at all looks together, whenever one stops looking."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaln

from nextlabel.server.assessment.intervals import Estimate

CONFIDENCE = 0.95


def anytime_share(hits: int, n: int, error: float = 1 - CONFIDENCE) -> Estimate:
    """Return the share ``hits / n`` of a growing sample, with an interval that misses at any look with ``error``.

    The mixture of likelihood ratios over a uniform prior (Robbins 1970) is a martingale under the true share;
    Ville's inequality bounds how often it ever exceeds 1 / error.

    Raises:
        ValueError: n is below 1 or hits outside [0, n].
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}; hits must lie between 0 and n, and n be at least 1")
    bound = float(betaln(hits + 1, n - hits + 1)) + np.log(error)
    value = hits / n

    def excess(share: float) -> float:
        return float(bound - hits * np.log(share) - (n - hits) * np.log1p(-share))

    edge = 1e-12
    low = 0.0 if hits == 0 or excess(edge) < 0 else brentq(excess, edge, min(max(value, edge), 1 - edge))
    high = 1.0 if hits == n or excess(1 - edge) < 0 else brentq(excess, min(max(value, edge), 1 - edge), 1 - edge)
    return Estimate(value, float(low), float(high), n)


def error_of_look(look: int, error: float = 1 - CONFIDENCE) -> float:
    """Return the share of ``error`` that the look number ``look`` (from 1) may spend; all looks add up to it.

    For figures that are measured anew on the same items at every look, such as models on one holdout.
    """
    if look < 1:
        raise ValueError(f"look {look}; looks are counted from 1")
    return error * 6 / (np.pi * look) ** 2

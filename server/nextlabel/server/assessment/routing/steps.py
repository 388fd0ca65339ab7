"""Whether the steps of a plan turn out as gold said."""

from __future__ import annotations

from scipy.stats import fisher_exact

SURPRISE = 0.001
"""Chance of being called off by mistake, a step."""


def chance_of_open(arrived: int, still_open: int, gold_arrived: int, gold_open: int) -> float:
    """Return how probable it is that so many items or more are still open, were they like the gold items of their ways.

    An exact test (Fisher 1935). That fewer are open than on gold is no surprise that costs anything.

    >>> round(chance_of_open(1_000, 400, 100, 10), 6), chance_of_open(1_000, 100, 0, 0)
    (0.0, 1.0)
    """
    table = [[still_open, arrived - still_open], [gold_open, gold_arrived - gold_open]]
    return float(fisher_exact(table, alternative="greater").pvalue)

"""Whether a share is the same in every part of the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import hypot
from typing import Any, Final

from nextlabel.server.assessment.intervals import Estimate, wilson_bounds

MOST_SLICES: Final = 20
"""Values of a field that are told of by themselves; rarer ones are taken together."""

LONGEST_VALUE: Final = 100
"""Characters of a value; longer ones are the same where they begin the same."""


def value_of(fields: Mapping[str, Any], field: str) -> str:
    """Return what an item has in a field as a text, '' for nothing, a list or an object.

    >>> value_of({"lang": "en"}, "lang"), value_of({"old": True}, "old"), value_of({"year": 1999.0}, "year")
    ('en', 'true', '1999')
    """
    value = fields.get(field)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else str(value)
    return str(value)[:LONGEST_VALUE] if isinstance(value, str | int) else ""


def slices_of(values: Sequence[str]) -> tuple[str, ...]:
    """Return the values that are slices of their own, the most frequent first, those of one frequency by name."""
    return tuple(value for value, _ in sorted(Counter(values).items(), key=lambda one: (-one[1], one[0]))[:MOST_SLICES])


def gap(hits: int, n: int, hits_elsewhere: int, n_elsewhere: int, error: float = 0.05) -> Estimate | None:
    """Return how much larger a share is than elsewhere, None where one of both has no items.

    The interval is that of the hybrid score (Newcombe 1998, method 10) for two independent shares; ``error`` is how
    often it may miss. ``items`` counts those of the slice.
    """
    if not n or not n_elsewhere:
        return None
    here, there = hits / n, hits_elsewhere / n_elsewhere
    low, high = wilson_bounds(here, n, error)
    low_there, high_there = wilson_bounds(there, n_elsewhere, error)
    return Estimate(
        here - there,
        here - there - hypot(here - low, high_there - there),
        here - there + hypot(high - here, there - low_there),
        n,
    )

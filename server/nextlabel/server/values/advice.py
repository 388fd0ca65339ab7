"""What LLMs say about a shortlist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShortlistChoice:
    """What an LLM chose from a shortlist: positions, best first, a reason each, and why there are too few, or ''."""

    positions: Sequence[int]
    reasons: Sequence[str]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Opinions:
    """What an LLM says of each item of a shortlist: a label, how sure it is in [0, 1], None where it says nothing.

    ``failure`` says why it says nothing of some, or ''.
    """

    labels: Sequence[str | None]
    confidences: Sequence[float | None]
    failure: str = ""

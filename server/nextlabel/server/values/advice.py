"""What LLMs say about a shortlist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.values.labeling.answers import Answer, Label


@dataclass(frozen=True, slots=True)
class ShortlistChoice:
    """What an LLM chose from a shortlist: positions, best first, a reason each, and why there are too few, or ''."""

    positions: Sequence[int]
    reasons: Sequence[str]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Opinions:
    """What an LLM says of each item of a shortlist, None where it was not asked or did not get to answer.

    ``failure`` says why it says nothing of some, or ''.
    """

    answers: Sequence[Answer | None]
    failure: str = ""

    @property
    def labels(self) -> Sequence[str | None]:
        """The label of each item; None where it names none."""
        return [a.body.name if a is not None and isinstance(a.body, Label) else None for a in self.answers]

    @property
    def confidences(self) -> Sequence[float | None]:
        """How sure it is of each, in [0, 1]; None where it does not say."""
        return [None if a is None else a.confidence for a in self.answers]

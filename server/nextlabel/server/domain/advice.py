"""Asking an LLM about a shortlist: what it answers, and what the domain needs from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nextlabel.server.domain.annotation import ItemToAnnotate
from nextlabel.server.domain.state import AnnotatorChoice, Project


@dataclass(frozen=True, slots=True)
class ItemChoice:
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


class Advisor(Protocol):
    """An LLM that is asked about shortlists. Whatever goes wrong with it is a reason in its answer, not an error."""

    async def choose(
        self, project: Project, shortlist: Sequence[ItemToAnnotate], k: int, labeled: Mapping[str, int]
    ) -> ItemChoice:
        """Choose ``k`` items; ``labeled`` counts the labels of each class so far."""
        ...

    async def opinions(self, project: Project, shortlist: Sequence[ItemToAnnotate]) -> Opinions:
        """Label the items."""
        ...

    async def close(self) -> None:
        """Free connections."""
        ...


class AdvisorSource(Protocol):
    """Makes advisors."""

    def check(self, choice: AnnotatorChoice) -> None:
        """Check that an LLM can be asked.

        Raises:
            InvalidArgument: a model without a price.
            FailedPrecondition: the operator has not configured the endpoint.
        """
        ...

    async def open(self, project: Project, choice: AnnotatorChoice, line: str, run: str) -> Advisor:
        """Return an advisor that spends from a budget line of a run, or of the project when ``run`` is ''."""
        ...

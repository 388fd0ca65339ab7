"""LLMs that are asked about shortlists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from nextlabel.server.values.advice import Opinions, ShortlistChoice
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions


class Advisor(Protocol):
    """An LLM that is asked about shortlists. Whatever goes wrong with it is a reason in its answer, not an error."""

    async def choose(
        self, project: Project, shortlist: Sequence[ItemToAnnotate], k: int, labeled: Mapping[str, int]
    ) -> ShortlistChoice:
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

    def check(self, choice: LlmOptions) -> None:
        """Check that an LLM can be asked.

        Raises:
            InvalidArgument: a model without a price.
            FailedPrecondition: the operator has not configured the endpoint.
        """
        ...

    async def open(self, project: Project, choice: LlmOptions, line: str, run: str) -> Advisor:
        """Return an advisor that spends from a budget line of a run, or of the project when ``run`` is ''."""
        ...

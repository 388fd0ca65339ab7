"""LLMs that write texts for classes."""

from __future__ import annotations

from typing import Protocol

from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions
from nextlabel.server.values.synthesis import WritingRequest, Written


class Writer(Protocol):
    """A model that writes texts. An answer that was paid for is kept and found again by an equal request."""

    @property
    def name(self) -> str:
        """The model that writes."""
        ...

    async def write(self, task: Task, request: WritingRequest) -> Written:
        """Write texts; a reply of no use is a problem in the result.

        Raises:
            BudgetExhausted, AnnotatorStopped: it may not or cannot be asked any more.
        """
        ...

    async def close(self) -> None:
        """Free connections."""
        ...


class WriterSource(Protocol):
    """Makes writers."""

    def check(self, choice: LlmOptions) -> None:
        """Check that an LLM can be asked.

        Raises:
            InvalidArgument: an option out of range, or a model without a price.
            FailedPrecondition: the operator has not configured the endpoint.
        """
        ...

    def open(self, project: Project, choice: LlmOptions, ledger: Ledger) -> Writer:
        """Return a writer that spends from ``ledger``."""
        ...

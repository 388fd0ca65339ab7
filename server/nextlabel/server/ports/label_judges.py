"""LLMs that judge labels."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.ports.quotes import RunQuote
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.runs.annotator_options import LlmOptions


class LabelJudge(Protocol):
    """A model that answers whether labels are right. An answer that was paid for is kept and found again."""

    @property
    def name(self) -> str:
        """The name that its verdicts carry."""
        ...

    def annotate(self, task: Task, items: Sequence[ItemToAnnotate]) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """See `Annotator.annotate`."""
        ...

    async def quote(self, task: Task, items: Sequence[ItemToAnnotate]) -> RunQuote:
        """Return what `annotate` would cost, without asking anything that costs."""
        ...

    async def close(self) -> None:
        """Free connections."""
        ...


class LabelJudgeSource(Protocol):
    """Makes judges."""

    def check(self, choice: LlmOptions) -> None:
        """Check that an LLM can be asked.

        Raises:
            InvalidArgument: an option out of range or of no use to a judge, or a model without a price.
            FailedPrecondition: the operator has not configured the endpoint.
        """
        ...

    def open(self, choice: LlmOptions, ledger: Ledger) -> LabelJudge:
        """Return a judge that spends from ``ledger``."""
        ...

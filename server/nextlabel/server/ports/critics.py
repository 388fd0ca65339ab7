"""LLMs that criticise guidelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.values.critiques import Critique, Disagreement
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions


class Critic(Protocol):
    """A model that criticises guidelines, and the annotator that works by them."""

    @property
    def name(self) -> str:
        """The model that writes the critique."""
        ...

    async def criticise(self, task: Task, disagreements: Sequence[Disagreement]) -> Critique:
        """Say what led the annotator astray, and amend the guidelines of ``task``.

        Raises:
            Unavailable: the model cannot be reached.
            FailedPrecondition: its answer is of no use.
            BudgetExhausted, AnnotatorStopped: it may not or cannot be asked.
        """
        ...

    async def answers(self, task: Task, items: Sequence[ItemToAnnotate]) -> Mapping[str, Body]:
        """Return what the annotator answers about items, by item id; items without an answer are left out.

        Raises:
            BudgetExhausted, AnnotatorStopped: it may not or cannot be asked any more.
        """
        ...

    async def close(self) -> None:
        """Free connections."""
        ...


class CriticSource(Protocol):
    """Makes critics."""

    def check(self, annotator: LlmOptions, model: str) -> None:
        """Check that the model can be asked where the annotator's is.

        Raises:
            InvalidArgument: a model without a price.
            FailedPrecondition: the operator has not configured the endpoint.
        """
        ...

    async def open(self, project: Project, annotator: LlmOptions, model: str, ledger: Ledger) -> Critic:
        """Return a critic of an LLM annotator's guidelines that spends from ``ledger``."""
        ...

"""Criticising guidelines: the values, and what the domain needs from a critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nextlabel.server.annotators.ports import Ledger
from nextlabel.server.domain.annotation import Body, ItemToAnnotate, Task
from nextlabel.server.domain.state import AnnotatorChoice, Project


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item that an annotator labeled otherwise than gold or a person; ``rationale`` is the annotator's."""

    item: ItemToAnnotate
    given: Body
    trusted: Body
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class Critique:
    """What a critic finds wrong with guidelines, and the whole amended text."""

    critique: str
    guidelines: str


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

    def check(self, annotator: AnnotatorChoice, model: str) -> None:
        """Check that the model can be asked where the annotator's is.

        Raises:
            InvalidArgument: a model without a price.
            FailedPrecondition: the operator has not configured the endpoint.
        """
        ...

    async def open(self, project: Project, annotator: AnnotatorChoice, model: str, ledger: Ledger) -> Critic:
        """Return a critic of an LLM annotator's guidelines that spends from ``ledger``."""
        ...

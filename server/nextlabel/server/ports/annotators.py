"""Who answers, and what it may consult."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from nextlabel.server.values.ids import ReservationId as ReservationId
from nextlabel.server.values.labeling.answers import Answer, Body
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate, Task
from nextlabel.server.values.money.paid_calls import MessageBatchIntent as MessageBatchIntent
from nextlabel.server.values.money.paid_calls import StoredAnswer as StoredAnswer


class Annotator(Protocol):
    """Anything that answers a task about items."""

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        ...

    def annotate(self, task: Task, items: Sequence[ItemToAnnotate]) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield an answer for each item as it is ready, in any order.

        A failed item yields an answer that says so and never takes others with it. `BudgetExhausted` and
        `AnnotatorStopped` end the iteration, after everything that was paid for has been yielded. Who stops
        reading early closes the generator (`contextlib.aclosing`), so that nothing more is asked.
        """
        ...

    async def check(self) -> None:
        """Probe the annotator; raises `AnnotatorStopped` or `Unavailable` when it cannot work."""
        ...

    async def close(self) -> None:
        """Free connections; idempotent."""
        ...


class DemonstrationSource(Protocol):
    """Trusted annotations to demonstrate the task with; never of holdout or gold items."""

    async def fixed(self, k: int) -> Sequence[Demonstration]:
        """k annotated items that cover as many labels as possible, the same whatever is asked about."""
        ...

    async def nearest(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        """The k annotated items most similar to `item`, most similar first, `item` itself excluded."""
        ...

    async def nearest_per_label(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        """k annotated items that cover as many labels as possible, nearest first within each label."""
        ...


class LabelSimilarity(Protocol):
    """Ranks the labels of a large label space for one item."""

    async def closest_labels(self, item: ItemToAnnotate, names: Sequence[str], n: int) -> Sequence[str]:
        """The n of `names` that fit the item best, best first."""
        ...


class LearnerOpinion(Protocol):
    """What the project's learner and the labeled neighbours of an item say about a label."""

    async def probability(self, item: ItemToAnnotate, label: str) -> float | None:
        """The learner's probability of `label`; None when there is no model yet."""
        ...

    async def neighbour_share(self, item: ItemToAnnotate, label: str) -> float | None:
        """The share of labeled neighbours with `label`; None when too few are labeled."""
        ...


class SignalSource(Protocol):
    """Evidence for or against an answer, from outside the model that gave it."""

    async def signals(self, item: ItemToAnnotate, body: Body) -> Mapping[str, float]:
        """Named numbers in [0, 1], higher = the answer is more likely right; empty when there is nothing to say."""
        ...


class ConfidenceModel(Protocol):
    """Turns signals into a probability that an answer is right."""

    def probability(self, signals: Mapping[str, float]) -> float | None:
        """The probability in [0, 1]; None when these signals say nothing to it."""
        ...

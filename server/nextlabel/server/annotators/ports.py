"""What the annotators offer to the rest of the server, and what they need from it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from nextlabel.server.domain.annotation import (
    Answer,
    Body,
    Cost,
    Demonstration,
    ItemToAnnotate,
    Task,
)
from nextlabel.server.domain.annotation import BatchIntent as BatchIntent
from nextlabel.server.domain.annotation import StoredAnswer as StoredAnswer
from nextlabel.server.domain.state import ReservationId as ReservationId


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


class Ledger(Protocol):
    """The budget's books. Every method is durable before it returns."""

    async def reserve(self, key: str, worst: Cost, line: str) -> ReservationId:
        """Set `worst` aside on the budget line `line`; raises `BudgetExhausted` when it does not fit.

        Idempotent: while a reservation with `key` is open, the same one is returned and nothing is added.
        """
        ...

    async def settle(self, reservation: ReservationId, actual: Cost, answer: StoredAnswer | None) -> None:
        """Book `actual`, refund the rest, and keep the paid answer under its keys, in one transaction."""
        ...

    async def release(self, reservation: ReservationId) -> None:
        """Refund all of a reservation: nothing was paid."""
        ...

    async def find_answer(self, key: str) -> StoredAnswer | None:
        """The paid answer kept under an item's content-addressed key."""
        ...


class BatchJournal(Protocol):
    """Durable record of message batches, so that a crash neither loses nor repeats one."""

    async def intend(self, intent: BatchIntent) -> None:
        """Record the intent before anything is sent."""
        ...

    async def submitted(self, intent_id: str, batch_id: str) -> None:
        """Record the endpoint's id of the batch."""
        ...

    async def finished(self, intent_id: str) -> None:
        """Close the intent: every request of it is settled or released."""
        ...

    async def open_intents(self) -> Sequence[BatchIntent]:
        """Intents that are not finished, oldest first."""
        ...


class DemonstrationSource(Protocol):
    """Trusted annotations to demonstrate the task with; never of holdout or gold items."""

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


class Clock(Protocol):
    """Time, injected so that tests need not wait."""

    def monotonic(self) -> float:
        """Seconds, never going back."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
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

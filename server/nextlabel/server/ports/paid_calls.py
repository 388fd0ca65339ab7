"""The books of paid calls."""

from collections.abc import Sequence
from typing import Protocol

from nextlabel.server.values.ids import ReservationId as ReservationId
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.paid_calls import MessageBatchIntent as MessageBatchIntent
from nextlabel.server.values.money.paid_calls import StoredAnswer as StoredAnswer


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


class MessageBatchJournal(Protocol):
    """Durable record of message batches, so that a crash neither loses nor repeats one."""

    async def intend(self, intent: MessageBatchIntent) -> None:
        """Record the intent before anything is sent."""
        ...

    async def submitted(self, intent_id: str, batch_id: str) -> None:
        """Record the endpoint's id of the batch."""
        ...

    async def finished(self, intent_id: str) -> None:
        """Close the intent: every request of it is settled or released."""
        ...

    async def open_intents(self) -> Sequence[MessageBatchIntent]:
        """Intents that are not finished, oldest first."""
        ...

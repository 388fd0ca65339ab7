"""The books as the annotators see them: one run's ledger and batch journal over the StateStore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nextlabel.server.domain.annotation import BatchIntent, Cost, StoredAnswer
from nextlabel.server.domain.budgets import Budgets
from nextlabel.server.domain.ports import Clock, StateStore, Transaction
from nextlabel.server.domain.state import ProjectId, ReservationId


class RunLedger:
    """Reserves and settles tokens and money of one run; labels are booked where annotations are recorded."""

    def __init__(self, store: StateStore, budgets: Budgets, clock: Clock, project: ProjectId, run: str) -> None:
        self._store = store
        self._budgets = budgets
        self._clock = clock
        self._project = project
        self._run = run

    async def reserve(self, key: str, worst: Cost, line: str) -> ReservationId:
        """Set ``worst`` aside, durably; BudgetExhausted when it does not fit. One open reservation a key."""
        wanted = replace(worst, labels=0)
        reservation = await self._store.write(
            lambda tx: self._budgets.reserve(tx, self._project, self._run, wanted, line, key)
        )
        return ReservationId(reservation.id)

    async def settle(self, reservation: ReservationId, actual: Cost, answer: StoredAnswer | None) -> None:
        """Book ``actual``, refund the rest and keep the paid answer, in one transaction."""

        def work(tx: Transaction) -> None:
            self._budgets.settle(tx, reservation, replace(actual, labels=0))
            if answer is not None:
                tx.budgets.put_answer(self._project, answer, self._clock.now())

        await self._store.write(work)

    async def release(self, reservation: ReservationId) -> None:
        """Refund all of a reservation: nothing was paid."""
        await self._store.write(lambda tx: self._budgets.release(tx, reservation))

    async def find_answer(self, key: str) -> StoredAnswer | None:
        """Return the paid answer kept under an item's content-addressed key."""
        return await self._store.read(lambda tx: tx.budgets.answer(self._project, key))


class RunJournal:
    """The durable record of a project's message batches."""

    def __init__(self, store: StateStore, project: ProjectId) -> None:
        self._store = store
        self._project = project

    async def intend(self, intent: BatchIntent) -> None:
        """Record the intent before anything is sent."""
        await self._store.write(lambda tx: tx.budgets.put_intent(self._project, intent))

    async def submitted(self, intent_id: str, batch_id: str) -> None:
        """Record the endpoint's id of the batch."""

        def work(tx: Transaction) -> None:
            for intent in tx.budgets.intents(self._project):
                if intent.intent_id == intent_id:
                    tx.budgets.put_intent(self._project, replace(intent, batch_id=batch_id))

        await self._store.write(work)

    async def finished(self, intent_id: str) -> None:
        """Close the intent: every request of it is settled or released."""
        await self._store.write(lambda tx: tx.budgets.delete_intent(self._project, intent_id))

    async def open_intents(self) -> Sequence[BatchIntent]:
        """Return intents that are not finished, oldest first."""
        return await self._store.read(lambda tx: tx.budgets.intents(self._project))

"""The books as the annotators see them: one run's ledger and batch journal over the StateStore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import BudgetExhausted
from nextlabel.server.values.ids import ProjectId, ReservationId
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Opens the books of projects and runs for those who pay for calls."""

    store: StateStore
    budgets: Budgets
    clock: Clock

    def of(self, project: ProjectId, run: str = "") -> RunLedger:
        """Return the books of a run, or of a project outside of runs."""
        return RunLedger(self.store, self.budgets, self.clock, project, run)

    def journal(self, project: ProjectId) -> RunJournal:
        """Return the record of a project's message batches."""
        return RunJournal(self.store, project)


class RunLedger:
    """Reserves and settles what the calls of one run take; labels are booked where annotations are recorded."""

    def __init__(self, store: StateStore, budgets: Budgets, clock: Clock, project: ProjectId, run: str) -> None:
        self._store = store
        self._budgets = budgets
        self._clock = clock
        self._project = project
        self._run = run

    async def reserve(self, key: str, worst: Cost, line: str) -> ReservationId:
        """Set ``worst`` aside, durably; BudgetExhausted when it does not fit. One open reservation a key."""
        reservation = await self._store.write(
            lambda tx: self._budgets.reserve(tx, self._project, self._run, worst, line, key)
        )
        return ReservationId(reservation.id)

    async def settle(self, reservation: ReservationId, actual: Cost, answer: StoredAnswer | None) -> None:
        """Book ``actual``, refund the rest and keep the paid answer, in one transaction.

        An answer to the same request that is kept already was booked with it, by whoever fetched it too.
        """

        def work(tx: Transaction) -> None:
            if answer is not None and self._is_booked(tx, answer):
                self._budgets.release(tx, reservation)
                return
            self._budgets.settle(tx, reservation, actual)
            if answer is not None:
                tx.budgets.put_answer(self._project, answer, self._clock.now())

        await self._store.write(work)

    def _is_booked(self, tx: Transaction, answer: StoredAnswer) -> bool:
        """A probe answers about no item, and has no key."""
        kept = [tx.budgets.answer(self._project, key) for key in answer.keys]
        return any(one is not None and one.request_id == answer.request_id != "" for one in kept)

    async def release(self, reservation: ReservationId) -> None:
        """Refund all of a reservation: nothing was paid."""
        await self._store.write(lambda tx: self._budgets.release(tx, reservation))

    async def find_answer(self, key: str) -> StoredAnswer | None:
        """Return the paid answer kept under an item's content-addressed key."""
        return await self._store.read(lambda tx: tx.budgets.answer(self._project, key))


class CallLedger:
    """The books of one call: those of its project, within a limit of the call's own. A dimension of 0 has no limit.

    The limit is kept in memory, since it ends with the call.
    """

    def __init__(self, ledger: RunLedger, limit: Cost) -> None:
        self._ledger = ledger
        self._limit = limit
        self._held: dict[str, Cost] = {}
        self._keys: dict[ReservationId, str] = {}
        self.spent = Cost()

    async def reserve(self, key: str, worst: Cost, line: str) -> ReservationId:
        """Set ``worst`` aside, in the project's books too; BudgetExhausted when it does not fit either."""
        if key not in self._held:
            self._check(worst, line)
            # Held before the books are asked, or two requests at a time could both fit.
            self._held[key] = worst
        try:
            reservation = await self._ledger.reserve(key, worst, line)
        except BaseException:
            self._held.pop(key, None)
            raise
        self._keys[reservation] = key
        return reservation

    async def settle(self, reservation: ReservationId, actual: Cost, answer: StoredAnswer | None) -> None:
        """Book ``actual``, refund the rest and keep the paid answer."""
        await self._ledger.settle(reservation, actual, answer)
        self._free(reservation)
        self.spent += actual

    async def release(self, reservation: ReservationId) -> None:
        """Refund all of a reservation: nothing was paid."""
        await self._ledger.release(reservation)
        self._free(reservation)

    async def find_answer(self, key: str) -> StoredAnswer | None:
        """Return the paid answer kept under an item's content-addressed key."""
        return await self._ledger.find_answer(key)

    def _free(self, reservation: ReservationId) -> None:
        self._held.pop(self._keys.pop(reservation, ""), None)

    def _check(self, wanted: Cost, line: str) -> None:
        taken = sum(self._held.values(), start=self.spent)
        for dimension in (BudgetDimension.TOKENS, BudgetDimension.MICRO_USD):
            bound = self._limit.amount(dimension)
            used, more = taken.amount(dimension), wanted.amount(dimension)
            if bound and used + more > bound:
                raise BudgetExhausted(
                    dimension,
                    bound,
                    line=line,
                    message=(
                        f"this call may spend {dimension.shown(bound)}: {dimension.shown(used)} spent or reserved, "
                        f"{dimension.shown(more)} more wanted at most; raise its limit to go on"
                    ),
                )


class RunJournal:
    """The durable record of a project's message batches."""

    def __init__(self, store: StateStore, project: ProjectId) -> None:
        self._store = store
        self._project = project

    async def intend(self, intent: MessageBatchIntent) -> None:
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

    async def open_intents(self) -> Sequence[MessageBatchIntent]:
        """Return intents that are not finished, oldest first."""
        return await self._store.read(lambda tx: tx.budgets.intents(self._project))

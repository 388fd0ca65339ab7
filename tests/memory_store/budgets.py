"""Limits, reservations, the ledger and paid answers in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from typing_extensions import override

from nextlabel.server.ports.tables.budgets import BudgetTable
from nextlabel.server.values.errors import Aborted
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.budgets import Budget, Reservation
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.ledger import LedgerEntry, LedgerKind
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer
from tests.memory_store.contents import Contents


class MemoryBudgets(BudgetTable):
    """Limits, reservations, the append-only ledger and the answers that were paid for."""

    def __init__(self, contents: Contents) -> None:
        self._all = contents

    @override
    def lock(self, project: ProjectId) -> bool:
        return False  # units of work already run one at a time

    @override
    def budget(self, project: ProjectId, run: str) -> Sequence[Budget]:
        return [b for b in self.budgets(project) if b.run == run]

    @override
    def budgets(self, project: ProjectId) -> Sequence[Budget]:
        found = [b for b in self._all.budgets.values() if b.project == project]
        return sorted(found, key=lambda b: (b.run, b.window))

    @override
    def put_budget(self, budget: Budget) -> None:
        self._all.require(budget.project)
        self._all.budgets[budget.project, budget.run, budget.window] = budget

    @override
    def add_reservation(self, reservation: Reservation) -> None:
        self._all.require(reservation.project)
        shared = reservation.key and self.open_reservation(reservation.project, reservation.key)
        if shared or reservation.id in self._all.reservations:
            raise Aborted("the reservation was added by a concurrent call")
        self._all.reservations[reservation.id] = reservation

    @override
    def reservation(self, reservation: str) -> Reservation | None:
        return self._all.reservations.get(reservation)

    @override
    def open_reservation(self, project: ProjectId, key: str) -> Reservation | None:
        return next((r for r in self.open_reservations(project) if r.key == key), None)

    @override
    def update_reservation(self, reservation: Reservation) -> None:
        present = self._all.reservations.get(reservation.id)
        if present is None:
            raise Aborted("the reservation was removed by a concurrent call")
        self._all.reservations[reservation.id] = replace(
            present, remaining=reservation.remaining, open=reservation.open, presumed=reservation.presumed
        )

    @override
    def open_reservations(self, project: ProjectId) -> Sequence[Reservation]:
        return [r for r in self._all.reservations.values() if r.project == project and r.open]

    @override
    def reservations_of_calls(self, before: datetime) -> Sequence[Reservation]:
        found = [r for r in self._all.reservations.values() if r.open and r.key and not r.run]
        return sorted((r for r in found if r.created_at < before), key=lambda r: r.project)

    @override
    def append(self, entry: LedgerEntry) -> None:
        number = self._all.next_id()
        self._all.ledger[entry.project, number] = replace(entry, id=number)

    @override
    def entries(
        self, project: ProjectId, run: str | None = None, after_id: int = 0, limit: int | None = None
    ) -> Sequence[LedgerEntry]:
        found = [e for e in self._all.ledger.values() if e.project == project and e.id > after_id]
        return [e for e in found if run in (None, e.run)][:limit]

    @override
    def total(self, project: ProjectId, kind: LedgerKind, run: str | None = None) -> Cost:
        return sum((e.amount for e in self.entries(project, run) if e.kind is kind), start=Cost())

    @override
    def presumed(self, project: ProjectId, run: str | None = None) -> Cost:
        mine = [r for r in self._all.reservations.values() if r.project == project and run in (None, r.run)]
        return sum((r.presumed for r in mine), start=Cost())

    @override
    def put_answer(self, project: ProjectId, answer: StoredAnswer, at: datetime) -> None:
        self._all.require(project)
        for key in answer.keys:
            self._all.answers.setdefault((project, key), answer)

    @override
    def answer(self, project: ProjectId, key: str) -> StoredAnswer | None:
        return self._all.answers.get((project, key))

    @override
    def put_intent(self, project: ProjectId, intent: MessageBatchIntent) -> None:
        self._all.require(project)
        self._all.intents[project, intent.intent_id] = intent

    @override
    def intents(self, project: ProjectId) -> Sequence[MessageBatchIntent]:
        return [intent for (of, _), intent in self._all.intents.items() if of == project]

    @override
    def delete_intent(self, project: ProjectId, intent: str) -> None:
        self._all.intents.pop((project, intent), None)

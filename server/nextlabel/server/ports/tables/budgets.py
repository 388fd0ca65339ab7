"""Limits, reservations, the ledger, paid answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.budgets import Budget, Reservation
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.ledger import LedgerEntry, LedgerKind
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer


class BudgetTable(Protocol):
    """Limits, reservations, the append-only ledger and the answers that were paid for."""

    def lock(self, project: ProjectId) -> bool:
        """Serialise money movements of one project until the transaction ends.

        False when nobody else can have moved any since this transaction began, or since it took the lock.
        """
        ...

    def budget(self, project: ProjectId, run: str) -> Sequence[Budget]:
        """Return the budgets of a project (``run=""``) or of a run: at most one per window."""
        ...

    def budgets(self, project: ProjectId) -> Sequence[Budget]:
        """Return all budgets of a project and its runs."""
        ...

    def put_budget(self, budget: Budget) -> None:
        """Insert or replace the budget of (project, run, window)."""
        ...

    def add_reservation(self, reservation: Reservation) -> None:
        """Add an open reservation."""
        ...

    def reservation(self, reservation: str) -> Reservation | None:
        """Return a reservation by id."""
        ...

    def open_reservation(self, project: ProjectId, key: str) -> Reservation | None:
        """Return the open reservation of a (non-empty) key."""
        ...

    def update_reservation(self, reservation: Reservation) -> None:
        """Store what remains of a reservation, whether it is open and what was presumed of it."""
        ...

    def open_reservations(self, project: ProjectId) -> Sequence[Reservation]:
        """Return open reservations, oldest first."""
        ...

    def reservations_of_calls(self, before: datetime) -> Sequence[Reservation]:
        """Return open reservations with a key and outside of runs that were made before a time.

        By project, and oldest first within one.
        """
        ...

    def append(self, entry: LedgerEntry) -> None:
        """Append a line to the books; its id is assigned by the store, in the order of visibility within a project."""
        ...

    def entries(
        self, project: ProjectId, run: str | None = None, after_id: int = 0, limit: int | None = None
    ) -> Sequence[LedgerEntry]:
        """Return ledger lines in order."""
        ...

    def total(self, project: ProjectId, kind: LedgerKind, run: str | None = None) -> Cost:
        """Sum the ledger lines of one kind."""
        ...

    def presumed(self, project: ProjectId, run: str | None = None) -> Cost:
        """Sum what was booked for abandoned reservations and not settled since."""
        ...

    def put_answer(self, project: ProjectId, answer: StoredAnswer, at: datetime) -> None:
        """Keep a paid answer under each of its content-addressed keys; the first answer to a key stays."""
        ...

    def answer(self, project: ProjectId, key: str) -> StoredAnswer | None:
        """Return the paid answer kept under a key."""
        ...

    def put_intent(self, project: ProjectId, intent: MessageBatchIntent) -> None:
        """Insert or replace the record of a message batch."""
        ...

    def intents(self, project: ProjectId) -> Sequence[MessageBatchIntent]:
        """Return the records of message batches that are not finished, oldest first."""
        ...

    def delete_intent(self, project: ProjectId, intent: str) -> None:
        """Forget a finished message batch."""
        ...

"""Runs with what the books and the learning curve say about them."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.api.messages.runs import RunStanding, run_message
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import Run
from nextlabel.v1 import run_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class RunMessages:
    """Reads what belongs to a run's message."""

    store: StateStore
    budgets: Budgets

    async def message(self, project: Project, run: Run) -> pb.Run:
        """Return the message of a run as it stands now."""
        return await self.store.read(lambda tx: self.within(tx, project, run))

    def within(self, tx: Transaction, project: Project, run: Run) -> pb.Run:
        """Return the message of a run, read inside a transaction."""
        open_reservations = tx.budgets.open_reservations(project.id)
        reserved = sum((r.remaining for r in open_reservations if r.run == run.id), start=Cost())
        evaluated = [m for m in tx.models.list(project.id) if m.run == run.id and m.accuracy is not None]
        spent = self.budgets.spent(tx, project.id, run.id)
        return run_message(run, project, RunStanding(spent, reserved, evaluated[-1] if evaluated else None))

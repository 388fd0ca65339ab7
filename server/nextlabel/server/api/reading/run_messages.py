"""Runs with what the books and the learning curve say about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nextlabel.server.api.messages.runs.specs import RunStanding, run_message
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import Run, RunSpec
from nextlabel.v1 import run_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class RunMessages:
    """Reads what belongs to a run's message."""

    store: StateStore
    budgets: Budgets
    warnings_of: Callable[[RunSpec], Sequence[str]]

    async def messages(self, project: Project, runs: Sequence[Run]) -> Sequence[pb.Run]:
        """Return the messages of runs as they stand now."""
        return await self.store.read(lambda tx: [*map(self.of_several(tx, project), runs)])

    def within(self, tx: Transaction, project: Project, run: Run) -> pb.Run:
        """Return the message of a run, read inside a transaction."""
        return self.of_several(tx, project)(run)

    def of_several(self, tx: Transaction, project: Project) -> Callable[[Run], pb.Run]:
        """Return what makes messages of runs inside a transaction; what they share is read once."""
        reserved: dict[str, Cost] = {}
        for reservation in tx.budgets.open_reservations(project.id):
            reserved[reservation.run] = reserved.get(reservation.run, Cost()) + reservation.remaining
        newest = {model.run: model for model in tx.models.list(project.id) if model.accuracy is not None}

        def message(run: Run) -> pb.Run:
            spent = self.budgets.spent(tx, project.id, run.id)
            standing = RunStanding(spent, reserved.get(run.id, Cost()), newest.get(run.id), self.warnings_of(run.spec))
            return run_message(run, project, standing)

        return message

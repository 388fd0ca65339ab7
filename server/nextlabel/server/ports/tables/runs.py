"""Runs and their events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.runs.events import Happening, RunEvent
from nextlabel.server.values.runs.runs import Run, RunState

H = TypeVar("H", bound=Happening)


class RunTable(Protocol):
    """Runs and their events."""

    def add(self, run: Run) -> None:
        """Add a run."""
        ...

    def update(self, run: Run) -> None:
        """Replace state, reason, message, round and end of a run."""
        ...

    def get(self, run: str) -> Run | None:
        """Return a run by id."""
        ...

    def list(self, project: ProjectId | None = None, states: Sequence[RunState] | None = None) -> Sequence[Run]:
        """Return runs, oldest first."""
        ...

    def add_event(self, event: RunEvent) -> RunEvent:
        """Append an event; its number is assigned: one more than the run's last."""
        ...

    def events(self, run: str, after_number: int, limit: int) -> Sequence[RunEvent]:
        """Return events with a greater number, in order."""
        ...

    def put_rows(self, run: str, name: str, rows: Rows) -> None:
        """Keep rows of the pool, ascending, under a name of the run's; those that were kept under it go."""
        ...

    def rows(self, run: str, name: str) -> Rows | None:
        """Return the rows that a run keeps under a name, ascending; None where it keeps none."""
        ...

    def last(self, run: str, kind: type[H]) -> H | None:
        """Return the newest happening of a kind."""
        ...

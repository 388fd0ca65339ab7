"""What happens in a run: recorded, and told to who watches."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.domain.runs.runs import Runs
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.runs.events import Happening
from nextlabel.server.values.runs.runs import Run, StopReason


@dataclass(frozen=True, slots=True)
class RunLog:
    """Records of runs whose watchers are woken."""

    store: StateStore
    runs: Runs
    signals: Signals

    async def note(self, run: Run, happening: Happening) -> None:
        """Record what happened, and tell it."""
        await self.store.write(lambda tx: self.runs.note(tx, run, happening))
        self.tell(run.id)

    async def begin_round(self, run: Run) -> Run:
        """Record the beginning of the next round; return the run with it."""
        return await self.store.write(lambda tx: self.runs.begin_round(tx, run))

    async def end(self, run_id: str, reason: StopReason, message: str) -> None:
        """Record how a run ended, and tell it.

        Raises:
            NotFound: it was deleted meanwhile, with its project.
        """
        await self.store.write(lambda tx: self.runs.end(tx, run_id, reason, message))
        self.tell(run_id)

    def note_in(self, tx: Transaction, run: Run, happening: Happening) -> None:
        """Record what happened in a transaction of the caller's, who tells it once it is durable."""
        self.runs.note(tx, run, happening)

    def tell(self, run_id: str) -> None:
        """Wake who watches the run."""
        self.signals.notify(f"run/{run_id}")

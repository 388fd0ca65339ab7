"""Takes up running runs; after a restart, or when another server dies, each goes on where it was."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.budgets.reconciliation import abandon_calls
from nextlabel.server.domain.runs.driver import RunDriver, run_and_project
from nextlabel.server.domain.runs.run_log import RunLog
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.system.halt import Halts
from nextlabel.server.system.signals import Listener
from nextlabel.server.values.errors import NotFound, Unavailable
from nextlabel.server.values.runs.runs import UNDER_WAY, RunState

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEngine:
    """Drives every running run; after a restart, or when another server dies, it goes on where the run was."""

    store: StateStore
    driver: RunDriver
    log: RunLog
    budgets: Budgets
    halts: Halts
    _tasks: dict[str, asyncio.Task[None]] = field(init=False, default_factory=dict)
    _news: Listener = field(init=False, default_factory=Listener)

    def wake(self) -> None:
        """Look for runs to take up now."""
        self._news.notify()

    async def run(self, on_error: Callable[[BaseException], None], poll_s: float = 2.0) -> None:
        """Take up runs until cancelled; then let their tasks end at the next safe point."""
        try:
            while True:
                try:
                    await self._take_up()
                except Exception as error:  # noqa: BLE001  (the engine outlives a failing database)
                    on_error(error)
                await self._news.wait(poll_s)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _take_up(self) -> None:
        for ended in [run for run, task in self._tasks.items() if task.done()]:
            del self._tasks[ended]
        under_way = await self.store.read(lambda tx: tx.runs.list(states=UNDER_WAY))
        states = {run.id: run.state for run in under_way}
        for run_id, task in self._tasks.items():
            # Stopping, paused, or deleted with its project.
            if states.get(run_id) is not RunState.RUNNING and not task.done():
                self.halts.of(run_id).call()
        for run_id in states.keys() - self._tasks.keys():
            self._tasks[run_id] = asyncio.create_task(self._drive_once(run_id))

    async def _drive_once(self, run_id: str) -> None:
        try:
            await self._drive_exclusively(run_id)
        finally:
            self.halts.forget(run_id)

    async def _drive_exclusively(self, run_id: str) -> None:
        async with self.store.exclusive(f"run/{run_id}") as mine:
            if not mine:
                return
            run, project = await self.store.read(lambda tx: run_and_project(tx, run_id))
            if run is None or project is None or run.state not in UNDER_WAY:
                return
            await self.store.write(lambda tx: abandon_calls(tx, self.budgets, project.id, run_id))
            try:
                end = await self.driver.drive(project, run)
            except Unavailable as error:
                # Taken up again as one whose server died: here or elsewhere, until the pool is back.
                _log.warning("run_waits_for_its_pool", run=run_id, reason=error.reason)
                return
            with contextlib.suppress(NotFound):  # deleted meanwhile, with its project
                await self.log.end(run_id, end.reason, end.message)

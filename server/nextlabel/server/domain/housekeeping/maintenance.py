"""Housekeeping: expired leases, old replies, calls that were cut off, deleted projects, small fragments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.budgets.reconciliation import abandon_old_calls
from nextlabel.server.domain.housekeeping.removal import Removal
from nextlabel.server.domain.labeling.leases import Leases
from nextlabel.server.domain.pool.pools import Pools, all_projects
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Clock, Executor
from nextlabel.server.values.ids import ProjectId

COMPACT_EVERY_ROWS = 200_000
COMPACT_AT_LATEST_ROWS = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A background task of one server of those that share a database. Correctness never waits for it."""

    store: StateStore
    pools: Pools
    labeling: Leases
    budgets: Budgets
    removal: Removal
    executor: Executor
    clock: Clock
    replies_kept: timedelta
    _compacted: dict[ProjectId, int] = field(init=False, default_factory=dict)
    _rows: dict[ProjectId, int] = field(init=False, default_factory=dict)

    async def run(self, on_error: Callable[[BaseException], None], every_s: float = 5.0) -> None:
        """Tidy up until cancelled, or wait for the server that does it to die."""
        while True:
            async with self.store.exclusive("housekeeping") as mine:
                while mine:
                    try:
                        await self.tidy()
                    except Exception as error:  # noqa: BLE001  (housekeeping is tried again, whatever went wrong)
                        on_error(error)
                    await asyncio.sleep(every_s)
            await asyncio.sleep(every_s)

    async def tidy(self) -> None:
        """Do what is due now.

        Raises:
            ExceptionGroup: pools could not be compacted; everything else is done.
        """
        while await self.store.write(lambda tx: self.labeling.expire(tx, None)):
            pass
        before = self.clock.now() - self.replies_kept
        await self.store.write(lambda tx: tx.access.forget_replies(before))
        await self.store.write(lambda tx: abandon_old_calls(tx, self.budgets))
        await self.removal.drop_left_over()
        failures: list[Exception] = []
        projects = await self.store.read(all_projects)
        for gone in self._rows.keys() - set(projects):
            del self._rows[gone], self._compacted[gone]
        for project in projects:
            try:
                await self._compact_if_due(project)
            except Exception as error:  # noqa: BLE001  (one damaged pool must not keep the others untidy)
                failures.append(error)
        if failures:
            raise ExceptionGroup("pools that could not be compacted", failures)

    async def _compact_if_due(self, project: ProjectId) -> None:
        rows = await self.store.read(lambda tx: tx.pool.committed_rows(project))
        if self._is_due(project, rows):
            await self._compact(project, rows)

    def _is_due(self, project: ProjectId, rows: int) -> bool:
        """Compact what has grown much, once it has stopped growing: meanwhile uploads have to wait."""
        resting = self._rows.get(project) == rows
        self._rows[project] = rows
        grown = rows - self._compacted.setdefault(project, rows)
        return grown >= (COMPACT_EVERY_ROWS if resting else COMPACT_AT_LATEST_ROWS)

    async def _compact(self, project: ProjectId, rows: int) -> None:
        pool = await self.pools.open(project)
        async with (
            pool.writing,
            self.store.exclusive(f"ingest/{project}") as mine,
            self.store.exclusive(f"embed/{project}") as too,
        ):
            if mine and too:
                of = await self.store.read(lambda tx: tx.projects.by_id(project))
                if of is not None:
                    await self.executor.run(lambda: self.pools.arrays.compact(of.embeddings))
                self._compacted[project] = rows

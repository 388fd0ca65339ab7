"""Housekeeping: expired leases, old replies, small fragments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from nextlabel.server.domain.embedding import all_projects
from nextlabel.server.domain.labeling import Labeling
from nextlabel.server.domain.pool import Pools
from nextlabel.server.domain.ports import Clock, Executor, StateStore
from nextlabel.server.domain.signals import Signals

COMPACT_EVERY_ROWS = 200_000


class Maintenance:
    """A background task that keeps the stores tidy. Correctness never waits for it."""

    def __init__(
        self,
        store: StateStore,
        pools: Pools,
        labeling: Labeling,
        signals: Signals,
        executor: Executor,
        clock: Clock,
        replies_kept_s: float,
    ) -> None:
        self._store = store
        self._pools = pools
        self._labeling = labeling
        self._signals = signals
        self._executor = executor
        self._clock = clock
        self._replies_kept = timedelta(seconds=replies_kept_s)
        self._compacted: dict[str, int] = {}

    async def run(self, on_error: Callable[[BaseException], None], every_s: float = 5.0) -> None:
        """Tidy up until cancelled."""
        while True:
            try:
                await self.tidy()
            except Exception as error:  # noqa: BLE001  (housekeeping is tried again, whatever went wrong)
                on_error(error)
            await asyncio.sleep(every_s)

    async def tidy(self) -> None:
        """Do what is due now."""
        while await self._store.write(lambda tx: self._labeling.expire(tx, None)):
            pass
        before = self._clock.now() - self._replies_kept
        await self._store.write(lambda tx: tx.access.forget_replies(before))
        for project in await self._store.read(all_projects):
            rows = await self._store.read(lambda tx, p=project: tx.pool.committed_rows(p))  # type: ignore[misc]
            if rows - self._compacted.setdefault(project, rows) < COMPACT_EVERY_ROWS:
                continue
            pool = await self._pools.open(project)
            async with (
                pool.writing,
                self._store.exclusive(f"ingest/{project}") as mine,
                self._store.exclusive(f"embed/{project}") as too,
            ):
                if mine and too:
                    await self._executor.run(lambda p=project: self._pools.arrays.compact(p))  # type: ignore[misc]
                    self._compacted[project] = rows

"""Leases that never come back empty as long as there is something to pick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar
from weakref import WeakValueDictionary

from nextlabel.server.domain.labeling.leases import runs_of_people
from nextlabel.server.domain.selection.selector import Query, Selector
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import Unavailable
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.pool import Segment
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import RunState

T = TypeVar("T")

# A pass over the pool costs the same for one pick as for many, so that small leases share a batch.
_SMALLEST_BATCH = 20


class Leasing:
    """Leases open picks; when none is open, selects a batch first, once for all who wait for it."""

    def __init__(self, store: StateStore, selector: Selector) -> None:
        self._store = store
        self._selector = selector
        self._selecting: WeakValueDictionary[ProjectId, asyncio.Lock] = WeakValueDictionary()

    async def lease(
        self, project: Project, annotator: str, count: int, work: Callable[[Transaction], T | None]
    ) -> T | None:
        """Return what ``work``, which leases open picks to an annotator, returns; None when the pool has nothing more.

        It is done again after a selection where it found nothing open.

        Raises:
            Unavailable: there are items, and they wait for their embeddings.
        """
        leased = await self._store.write(work, project=project.id)
        if leased is not None:
            return leased
        # Weakly held, so that the lock goes with the last lease that waits for it.
        async with self._selecting.setdefault(project.id, asyncio.Lock()):
            leased = await self._store.write(work, project=project.id)
            if leased is not None or not await self._select(project, annotator, count):
                return leased
            return await self._store.write(work, project=project.id)

    async def _select(self, project: Project, annotator: str, count: int) -> bool:
        """Select a batch; False when there is nothing to select, or a run that asks the annotator selects by itself.

        While that run is paused, the annotator gets nothing.
        """

        def situation(tx: Transaction) -> tuple[bool, Sequence[Segment]]:
            asking = [asked for run, asked in runs_of_people(tx, project.id) if run.state is not RunState.STOPPING]
            led = any(asked.is_for(annotator) for asked in asking)
            return led, tx.pool.segments(project.id, embedded=False)

        led, waiting = await self._store.read(situation)
        if led:
            return False
        query = Query(max(count, _SMALLEST_BATCH), project.strategy, project.audit_share, seed=0, person=annotator)
        _, picks = await self._selector.select(project, query)
        if not picks and waiting:
            rows = sum(segment.row_count for segment in waiting)
            raise Unavailable(
                f"{rows} items wait for their embeddings; try again in a moment",
                retry_after_s=1.0,
                reason="AWAITING_EMBEDDING",
            )
        return bool(picks)

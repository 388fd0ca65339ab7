"""Leases that never come back empty as long as there is something to pick."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from nextlabel.server.api.boundary.idempotency import Replies
from nextlabel.server.api.messages.labeling import lease_message
from nextlabel.server.api.messages.values import seconds_of
from nextlabel.server.domain.labeling.leases import Leases
from nextlabel.server.domain.selection.selector import Query, Selector
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import Unavailable
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.pool import Segment
from nextlabel.server.values.projects import Project
from nextlabel.server.values.runs import RunState
from nextlabel.v1 import labeling_service_pb2 as pb

# A pass over the pool costs the same for one pick as for many, so that small leases share a batch.
_SMALLEST_BATCH = 20


class Leasing:
    """Leases open picks; when none is open, selects a batch first, once for all who wait for it."""

    def __init__(self, store: StateStore, labeling: Leases, selector: Selector, replies: Replies) -> None:
        self._store = store
        self._labeling = labeling
        self._selector = selector
        self._replies = replies
        self._selecting: defaultdict[ProjectId, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def lease(self, project: Project, request: pb.LeaseItemsRequest) -> pb.LeaseItemsResponse:
        """Return a lease with the ids of its items, or none when the pool has nothing more for this annotator.

        Raises:
            Unavailable: there are items, and they wait for their embeddings.
        """
        response = await self._leased(project, request)
        if response.HasField("lease"):
            return response
        async with self._selecting[project.id]:
            response = await self._leased(project, request)
            if response.HasField("lease") or not await self._select(project, request.annotator, request.count):
                return response
            return await self._leased(project, request)

    async def _leased(self, project: Project, request: pb.LeaseItemsRequest) -> pb.LeaseItemsResponse:
        """Lease what is open. Only an answer with a lease is stored: an empty one may be wrong the next moment."""
        ttl_s = seconds_of(request.ttl) if request.HasField("ttl") else None
        slot = self._replies.slot(request, pb.LeaseItemsResponse)

        def unit(tx: Transaction) -> pb.LeaseItemsResponse:
            earlier = slot.find(tx)
            if earlier is not None:
                return earlier
            leased = self._labeling.lease(tx, project, request.annotator, request.count, ttl_s)
            if leased is None:
                return pb.LeaseItemsResponse()
            response = pb.LeaseItemsResponse(lease=lease_message(leased))
            slot.save(tx, response)
            return response

        return await self._store.write(unit)

    async def _select(self, project: Project, annotator: str, count: int) -> bool:
        """Select a batch; False when there is nothing to select, or a run of people selects by itself."""

        def situation(tx: Transaction) -> tuple[bool, Sequence[Segment]]:
            running = tx.runs.list(project.id, states=[RunState.RUNNING])
            led = any(run.spec.annotator.is_person for run in running)
            return led, tx.pool.segments(project.id, embedded=False)

        led, waiting = await self._store.read(situation)
        if led:
            return False
        query = Query(max(count, _SMALLEST_BATCH), project.strategy, project.audit_share, seed=0, person=annotator)
        _, picks = await self._selector.select(project, query)
        if not picks and waiting:
            rows = sum(segment.row_count for segment in waiting)
            raise Unavailable(f"{rows} items wait for their embeddings; try again in a moment", retry_after_s=1.0)
        return bool(picks)

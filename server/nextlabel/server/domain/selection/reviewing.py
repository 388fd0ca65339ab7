"""Hands out what is worth another look, as a batch of its own that nobody else is offered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.selection.review_queue import REVIEW, ReviewQueue
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.reviews import ReviewEntry
from nextlabel.server.values.projects.projects import Component, Project

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewing:
    """Makes batches of the review queue. What is given back goes back to the queue, not to those who label."""

    store: StateStore
    pools: Pools
    queue: ReviewQueue
    clock: Clock
    new_id: Callable[[], str]

    async def lease(
        self,
        project: Project,
        annotator: str,
        count: int,
        work: Callable[[Transaction, Batch, Sequence[Pick]], T],
        unlabeled: int = 0,
    ) -> T | None:
        """Return what ``work``, which leases up to ``count`` picks of a batch, returns; there may be none to lease.

        Up to ``unlabeled`` items without a label compete with the labels for the places.

        Raises:
            FailedPrecondition: no learner is trained on annotations of the project's type.
        """
        # Two at a time would be told of the same entries, and the second would get none of them.
        async with self.store.held(f"review/{project.id}"):
            entries = (await self.queue.entries(project, annotator, unlabeled))[: max(0, count)]
            pool = await self.pools.open(project.id)
            batch = Batch(
                id=self.new_id(),
                project=project.id,
                strategy=Component(REVIEW),
                pool_rows=pool.index.next_row,
                created_at=self.clock.now(),
            )
            picks = [_pick(project, batch, place, entry) for place, entry in enumerate(entries)]
            return await self.store.write(lambda tx: work(tx, batch, picks), project=project.id)


def _pick(project: Project, batch: Batch, place: int, entry: ReviewEntry) -> Pick:
    return Pick(
        batch=batch.id,
        position=place,
        row=entry.row,
        item_id=entry.item_id,
        score=entry.wrong_probability,
        reason="review: " + ", ".join(reason.value.replace("_", " ") for reason in entry.reasons),
        # One more than an item has places: it is never open to those who label, not even when it is given back.
        slots_taken=project.overlap + 1,
    )

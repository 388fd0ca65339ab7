"""Hands out uniform draws for people to label, blind to what others answered: what figures about a pool rest on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.batches import AUDIT, Batch, Pick
from nextlabel.server.values.projects.projects import Component, Project

T = TypeVar("T")

MOST_UNKNOWN = 0.02
"""Share of the pool that may have been picked, without people's labels, where people are offered the draws of runs.

A draw tells nothing of what was picked before it. Where that is much, new draws tell of more.
"""

# Some of few draws may all be with others already.
_FEWEST_DRAWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditing:
    """Makes batches of draws. A draw that is given back is offered again, to people who audit alone."""

    store: StateStore
    pools: Pools
    labels: Labels
    clock: Clock
    new_id: Callable[[], str]

    async def lease(
        self, project: Project, annotator: str, count: int, work: Callable[[Transaction, Batch, Sequence[Pick]], T]
    ) -> T | None:
        """Return what ``work``, which leases up to ``count`` picks of a batch, returns; there may be none to lease."""
        async with self.store.held(f"audit/{project.id}"):
            batch, picks = await self._batch(project, annotator, max(0, count))
            return await self.store.write(lambda tx: work(tx, batch, picks), project=project.id)

    async def _batch(self, project: Project, annotator: str, count: int) -> tuple[Batch, Sequence[Pick]]:
        """Return draws that wait for people, then as many new ones as are missing."""
        began = self.clock.now()
        pool = await self.pools.open(project.id)
        usable = np.setdiff1d(np.arange(pool.index.next_row), pool.unusable_rows())
        labeled = {row for row, found in (await self.labels.consensus(project)).items() if found.trusted}
        drawn, early = await self.store.read(
            lambda tx: (_for_people(tx, project.id), _of_runs(tx, project.id, labeled, MOST_UNKNOWN * len(usable)))
        )
        free = {*usable.tolist()} - labeled
        waiting = [row for row in dict.fromkeys((*early, *drawn)) if row in free]
        taken = await self.store.read(lambda tx: _taken(tx, project.id, annotator, waiting))
        offered = [row for row in waiting if row not in taken][:count]
        candidates = np.setdiff1d(usable, np.array([*labeled, *drawn], np.int64))
        seed = int.from_bytes(hashlib.sha256(f"{project.id}/{len(drawn)}".encode()).digest()[:4])
        missing = count - len(offered)
        size = min(max(missing, _FEWEST_DRAWN), len(candidates)) if missing else 0
        new = np.random.default_rng(seed).permutation(candidates)[:size].tolist()
        batch = Batch(
            id=self.new_id(),
            project=project.id,
            strategy=Component(AUDIT),
            pool_rows=pool.index.next_row,
            seed=seed,
            created_at=began,
        )
        probability = size / len(candidates) if size else None
        ids = {item.row: item.item_id for item in await self.pools.items(project.id, [*offered, *new])}
        # A row that a run drew may be drawn anew: it is handed over once.
        again = [(row, None) for row in offered if row not in {*new}]
        rows = [(row, p) for row, p in (*again, *((row, probability) for row in new)) if row in ids]
        return batch, [_pick(project, batch, place, row, ids[row], p) for place, (row, p) in enumerate(rows)]


def _for_people(tx: Transaction, project: ProjectId) -> Sequence[int]:
    """Return what was drawn for people before, in order."""
    batches = [batch for batch in tx.labeling.batches(project) if batch.strategy.name == AUDIT]
    return list(dict.fromkeys(pick.row for batch in batches for pick in tx.labeling.picks(batch.id) if pick.audit))


def _of_runs(tx: Transaction, project: ProjectId, labeled: Set[int], most_unknown: float) -> Sequence[int]:
    """Return what other batches drew, where they picked little beside it that people have not labeled; else nothing."""
    found: list[int] = []
    unknown = 0
    for batch in tx.labeling.batches(project):
        if batch.strategy.name == AUDIT:
            continue
        picks = tx.labeling.picks(batch.id)
        found += [pick.row for pick in picks if pick.audit]
        unknown += sum(pick.row not in labeled for pick in picks if not pick.audit)
        if unknown > most_unknown:
            return ()
    return found


def _taken(tx: Transaction, project: ProjectId, annotator: str, rows: Sequence[int]) -> Set[int]:
    """Return which rows somebody has on lease, or the annotator has answered or passed on."""
    given = tx.labeling.annotations(project, rows=list(rows)) if rows else ()
    return {*tx.labeling.leased_rows(project), *(a.row for a in given if a.annotator == annotator)}


def _pick(project: Project, batch: Batch, place: int, row: int, item_id: str, probability: float | None) -> Pick:
    return Pick(
        batch=batch.id,
        position=place,
        row=row,
        item_id=item_id,
        inclusion_probability=probability,
        reason="audit: drawn at random",
        audit=probability is not None,
        # One more than an item has places: it is never open to those who label, not even when it is given back.
        slots_taken=project.overlap + 1,
    )

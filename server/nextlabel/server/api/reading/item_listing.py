"""Items with their states, one by one and page by page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from nextlabel.server.api.messages.item_states import ITEM_STATES, need_message
from nextlabel.server.api.messages.labeling.annotations import consensus_message
from nextlabel.server.api.messages.pool import full_item_message
from nextlabel.server.api.messages.values import fitting
from nextlabel.server.domain.labeling.standing import ItemStanding, Standings
from nextlabel.server.domain.pool.pools import KnownPool, Pools
from nextlabel.server.ports.pool_store import Rows, StoredItem
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.labeling.item_states import ItemState
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import pool_pb2

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items to list; None matches all."""

    split: Split | None
    state: ItemState | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the items of a project, by row."""

    pool: KnownPool
    standing: ItemStanding
    embedded: Mask

    def matching(self, wanted: ItemFilter) -> Rows:
        """Return the rows that a filter lets through, ascending."""
        rows = len(self.embedded)
        matching = ~_mask(self.pool.deleted, rows)
        # What waits to be picked are items of the pool; nobody is to label holdout and gold, which are labeled.
        unlabeled = Split.POOL if wanted.state is ItemState.UNLABELED else None
        if (split := wanted.split or unlabeled) is not None:
            apart = [row for row, r in self.pool.references.items() if r.split in (Split.HOLDOUT, Split.GOLD)]
            same = [row for row in apart if self.pool.references[row].split is split]
            matching &= ~_mask(apart, rows) if split is Split.POOL else _mask(same, rows)
        if wanted.state is ItemState.UNLABELED:
            texts = (row for row, r in self.pool.references.items() if r.split is Split.UNPAIRED)
            matching &= ~_mask(chain(self.standing.rows(), texts), rows)
        elif wanted.state is not None:
            found = (row for row in self.standing.rows() if self.standing.state(row) is wanted.state)
            matching &= _mask(found, rows)
        return np.flatnonzero(matching)


@dataclass(frozen=True, slots=True)
class ItemListing:
    """Reads items with their states."""

    store: StateStore
    pools: Pools
    standings: Standings

    async def page(
        self, project: Project, wanted: ItemFilter, after: int, size: int
    ) -> tuple[Sequence[pool_pb2.ItemDetail], int | None]:
        """Return items with a row greater than `after`, and the last row if more follow.

        They are up to `size`, or fewer when no more fit into one reply.
        """
        known = await self._known(project)
        rows = known.matching(wanted)
        rows = rows[rows > after]
        stored = await self.pools.items(project.id, rows[:size].tolist())
        details = fitting(_detail(project, known, item) for item in stored)
        if len(details) < len(stored):
            return details, stored[len(details) - 1].row
        return details, int(rows[size - 1]) if len(rows) > size else None

    async def details(self, project: Project, stored: Sequence[StoredItem]) -> Sequence[pool_pb2.ItemDetail]:
        """Return stored items with their states."""
        known = await self._known(project)
        return [_detail(project, known, item) for item in stored]

    async def _known(self, project: Project) -> _Known:
        pool = await self.pools.open(project.id)
        standing = await self.standings.of(project)
        waiting = await self.store.read(lambda tx: tx.pool.segments(project.id, embedded=False))
        embedded = np.ones(pool.index.next_row, np.bool_)
        for segment in waiting:
            embedded[segment.first_row : segment.first_row + segment.row_count] = False
        return _Known(pool, standing, embedded)


def _detail(project: Project, known: _Known, stored: StoredItem) -> pool_pb2.ItemDetail:
    agreed = known.standing.consensus.get(stored.row)
    return pool_pb2.ItemDetail(
        item=full_item_message(stored, known.pool.references.get(stored.row), project),
        state=ITEM_STATES[known.standing.state(stored.row)],
        embedded=bool(known.embedded[stored.row]),
        consensus=None if agreed is None else consensus_message(agreed, project),
        need=need_message(known.standing.needs.get(stored.row)),
    )


def _mask(rows: Iterable[int], size: int) -> Mask:
    """Return an array of `size` with True at `rows`; rows that came in meanwhile are left out."""
    mask = np.zeros(size, np.bool_)
    mask[[row for row in rows if row < size]] = True
    return mask

"""Items with their states, one by one and page by page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.api.messages.annotations import consensus_message
from nextlabel.server.api.messages.pool import item_message, split_of
from nextlabel.server.assessment.consensus import Consensus
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import KnownPool, Pools
from nextlabel.server.ports.pool_store import Rows, StoredItem
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.pool import Segment, Split
from nextlabel.server.values.projects import Project
from nextlabel.v1 import pool_pb2

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items to list; UNSPECIFIED matches all."""

    split: pool_pb2.Split.ValueType
    state: pool_pb2.ItemState.ValueType


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where the items of a project stand: by row, for all rows."""

    pool: KnownPool
    consensus: dict[int, Consensus]
    answered: Mask
    picked: Mask
    embedded: Mask

    def state(self, row: int) -> pool_pb2.ItemState.ValueType:
        """Return the state of one row."""
        if row in self.consensus:
            return pool_pb2.ITEM_STATE_LABELED
        if self.answered[row]:
            return pool_pb2.ITEM_STATE_UNRESOLVED
        return pool_pb2.ITEM_STATE_LEASED if self.picked[row] else pool_pb2.ITEM_STATE_UNLABELED

    def matching(self, wanted: ItemFilter) -> Rows:
        """Return the rows that a filter lets through, ascending."""
        rows = len(self.answered)
        matching = np.ones(rows, np.bool_)
        matching[sorted(self.pool.deleted)] = False
        if wanted.split != pool_pb2.SPLIT_UNSPECIFIED:
            split = split_of(wanted.split, "split")
            apart = [row for row, r in self.pool.references.items() if r.split in (Split.HOLDOUT, Split.GOLD)]
            same = [row for row in apart if self.pool.references[row].split is split]
            matching &= ~_mask(apart, rows) if split is Split.POOL else _mask(same, rows)
        if wanted.state != pool_pb2.ITEM_STATE_UNSPECIFIED:
            matching &= self._in_state(wanted.state)
        return np.flatnonzero(matching)

    def _in_state(self, state: pool_pb2.ItemState.ValueType) -> Mask:
        labeled = _mask(self.consensus, len(self.answered))
        states = {
            pool_pb2.ITEM_STATE_LABELED: labeled,
            pool_pb2.ITEM_STATE_UNRESOLVED: self.answered & ~labeled,
            pool_pb2.ITEM_STATE_LEASED: self.picked & ~self.answered,
            pool_pb2.ITEM_STATE_UNLABELED: ~self.picked & ~self.answered,
        }
        if state not in states:
            raise InvalidArgument.field("state", f"{state} is no state of items")
        return states[state]


@dataclass(frozen=True, slots=True)
class ItemListing:
    """Reads items with their states."""

    store: StateStore
    pools: Pools
    labels: Labels

    async def page(
        self, project: Project, wanted: ItemFilter, after: int, size: int
    ) -> tuple[Sequence[pool_pb2.ItemDetail], int | None]:
        """Return up to `size` items with a row greater than `after`, and the last row if more follow."""
        standing = await self._standing(project)
        rows = standing.matching(wanted)
        rows = rows[rows > after]
        stored = await self.pools.items(project.id, rows[:size].tolist())
        details = [self._detail(project, standing, item) for item in stored]
        return details, int(rows[size - 1]) if len(rows) > size else None

    async def details(self, project: Project, stored: Sequence[StoredItem]) -> Sequence[pool_pb2.ItemDetail]:
        """Return stored items with their states."""
        standing = await self._standing(project)
        return [self._detail(project, standing, item) for item in stored]

    async def _standing(self, project: Project) -> _Standing:
        pool = await self.pools.open(project.id)
        consensus = await self.labels.consensus(project)
        answered = await self.labels.rows(project)

        def read(tx: Transaction) -> tuple[Sequence[int], Sequence[Segment]]:
            return tx.labeling.picked_rows(project.id), tx.pool.segments(project.id, embedded=False)

        picked, waiting = await self.store.read(read)
        rows = pool.index.next_row
        embedded = np.ones(rows, np.bool_)
        for segment in waiting:
            embedded[segment.first_row : segment.first_row + segment.row_count] = False
        return _Standing(pool, consensus, _mask(answered, rows), _mask(picked, rows), embedded)

    def _detail(self, project: Project, standing: _Standing, stored: StoredItem) -> pool_pb2.ItemDetail:
        agreed = standing.consensus.get(stored.row)
        return pool_pb2.ItemDetail(
            item=item_message(stored, standing.pool.references.get(stored.row)),
            state=standing.state(stored.row),
            embedded=bool(standing.embedded[stored.row]),
            consensus=None if agreed is None else consensus_message(agreed, project),
        )


def _mask(rows: Iterable[int], size: int) -> Mask:
    """Return an array of `size` with True at `rows`; rows that came in meanwhile are left out."""
    mask = np.zeros(size, np.bool_)
    mask[[row for row in rows if row < size]] = True
    return mask

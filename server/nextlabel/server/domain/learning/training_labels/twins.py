"""Which labeled items are nearly copies of ones that were added before them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from cachetools import LRUCache

from nextlabel.server.assessment.filters.near_duplicates import COMPARED, band_keys
from nextlabel.server.assessment.filters.twin_groups import TwinGroups
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.ids import ProjectId

_BLOCK = 1_000
_KEPT = 8


@dataclass(frozen=True, slots=True)
class Twins:
    """Compares the texts of labeled items; what an item is a copy of depends on no filter and no label.

    When labels come, only their texts are compared, with those that may be like them.
    """

    pools: Pools
    executor: Executor
    _kept: LRUCache[ProjectId, TwinGroups] = field(init=False, default_factory=lambda: LRUCache(_KEPT))
    _turn: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def of(self, project: ProjectId, rows: Sequence[int]) -> Mapping[int, int]:
        """Return the earlier row that a row is nearly a copy of, for those of the ascending ``rows`` that are."""
        async with self._turn:
            # What is interrupted half-way is made anew the next time.
            groups = self._kept.pop(project, None) or TwinGroups()
            wanted = np.asarray(rows, np.int64)
            await self._change(project, groups, np.setdiff1d(wanted, groups.rows), np.setdiff1d(groups.rows, wanted))
            self._kept[project] = groups
            return dict(groups.twins)

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._kept.pop(project, None)

    async def _change(self, project: ProjectId, groups: TwinGroups, new: Rows, gone: Rows) -> None:
        if not len(new) and not len(gone):
            return
        texts = await self._texts(project, new.tolist())
        read = np.fromiter(texts, np.int64, len(texts))
        keys_nB = await self.executor.run(lambda: band_keys(list(texts.values())))
        touched = groups.change(read, keys_nB, gone)
        texts |= await self._texts(project, [row for row in touched if row not in texts])
        compared = [row for row in touched if row in texts]
        await self.executor.run(lambda: groups.settle(compared, [texts[row] for row in compared]))

    async def _texts(self, project: ProjectId, rows: Sequence[int]) -> dict[int, str]:
        """Return the beginnings of texts; those that were deleted meanwhile are left out."""
        found: dict[int, str] = {}
        for start in range(0, len(rows), _BLOCK):
            items = await self.pools.items(project, rows[start : start + _BLOCK])
            found |= {item.row: item.text[:COMPARED] for item in items}
        return found

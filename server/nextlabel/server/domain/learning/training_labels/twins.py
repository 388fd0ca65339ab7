"""Which labeled items are nearly copies of ones that were added before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cachetools import LRUCache

from nextlabel.server.assessment.filters.near_duplicates import COMPARED, earlier_twins
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.ids import ProjectId

_BLOCK = 1_000
_KEPT = 8


@dataclass(frozen=True, slots=True)
class Twins:
    """Compares the texts of labeled items; what an item is a copy of depends on no filter and no label."""

    pools: Pools
    executor: Executor
    _kept: LRUCache[ProjectId, tuple[Sequence[int], Mapping[int, int]]] = field(
        init=False, default_factory=lambda: LRUCache(_KEPT)
    )

    async def of(self, project: ProjectId, rows: Sequence[int]) -> Mapping[int, int]:
        """Return the earlier row that a row is nearly a copy of, for those of the ascending ``rows`` that are."""
        kept = self._kept.get(project)
        if kept is not None and kept[0] == rows:
            return kept[1]
        read: list[int] = []
        texts: list[str] = []
        for start in range(0, len(rows), _BLOCK):
            for item in await self.pools.items(project, rows[start : start + _BLOCK]):
                read.append(item.row)
                texts.append(item.text[:COMPARED])
        places = await self.executor.run(lambda: earlier_twins(texts))
        twins = {row: read[place] for row, place in zip(read, places, strict=True) if place >= 0}
        self._kept[project] = (rows, twins)
        return twins

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._kept.pop(project, None)

"""Where the items of pools stand in the plane, kept as long as it holds."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.learners.layout import Layout, lay_out
from nextlabel.server.ports.derived import DerivedArrays, NothingDerived
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.ids import EmbeddingsId, ProjectId, project_of
from nextlabel.server.values.projects.projects import Project

Place = tuple[float, float]

_KEPT_LAYOUTS = 16
_KEPT_PLACES = 20_000
_NAME = "layout"


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """A layout of some anchors, and places by row: theirs, and those of others that were looked for since."""

    anchors: Rows
    layout: Layout
    own: Mapping[int, Place]
    others: dict[int, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PoolLayouts:
    """Lays pools out, one at a time, so that it never takes more than one thread of those that train and select."""

    pools: Pools
    executor: Executor
    derived: DerivedArrays = field(default_factory=NothingDerived)
    _kept: LRUCache[EmbeddingsId, _Laid] = field(init=False, default_factory=lambda: LRUCache(_KEPT_LAYOUTS))
    _turn: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def places(self, project: Project, anchors: Rows, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return places, (n, 2) in [-1, 1], of embedded rows in their order.

        They depend on the pool alone: the layout is made of ``anchors``, at least one of its embedded rows. The first
        look at a pool, or at one that has grown by a quarter, takes seconds; it is kept beyond a restart.

        Raises:
            NotFound: a row has no embedding any more.
        """
        laid = await self._laid(project, anchors)
        known = {row: place for row in rows if (place := laid.own.get(row) or laid.others.get(row))}
        if missing := [row for row in rows if row not in known]:
            embeddings_nD = await self.pools.embeddings(project, missing)
            placed_n2 = await self.executor.run(lambda: laid.layout.place(embeddings_nD))
            known |= _by_row(missing, placed_n2)
            if len(laid.others) > _KEPT_PLACES:
                laid.others.clear()
            laid.others.update((row, known[row]) for row in missing)
        return np.array([known[row] for row in rows], np.float32).reshape(-1, 2)

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        for of in [of for of in self._kept if project_of(of) == project]:
            del self._kept[of]

    async def _laid(self, project: Project, wanted: Rows) -> _Laid:
        kept = self._kept.get(project.embeddings)
        if kept is None or not np.array_equal(kept.anchors, wanted):
            # Who stops waiting comes back, and then it is there.
            return await asyncio.shield(asyncio.create_task(self._lay_out(project, wanted)))
        return kept

    async def _lay_out(self, project: Project, wanted: Rows) -> _Laid:
        async with self._turn:
            # Another caller may have waited for the same.
            kept = self._kept.get(project.embeddings)
            if kept is None or not np.array_equal(kept.anchors, wanted):
                rows = wanted.tolist()
                embeddings_ND = await self.pools.embeddings(project, rows)
                layout = await self._layout(project.id, wanted, embeddings_ND)
                kept = self._kept[project.embeddings] = _Laid(wanted, layout, _by_row(rows, layout.places_N2))
        return kept

    async def _layout(self, project: ProjectId, anchors: Rows, embeddings_ND: npt.NDArray[np.float16]) -> Layout:
        made_of = np.frombuffer(hashlib.sha256(anchors.tobytes() + embeddings_ND.tobytes()).digest(), np.uint8)
        found = await self.derived.find(project, _NAME)
        if found is not None and np.array_equal(found["made_of"], made_of):
            return Layout(found["mean_D"], found["axes_PD"], found["components_NP"], found["places_N2"])
        layout = await self.executor.run(lambda: lay_out(embeddings_ND))
        arrays = {one.name: getattr(layout, one.name) for one in fields(layout)}
        await self.derived.keep(project, _NAME, {"made_of": made_of, **arrays})
        return layout


def _by_row(rows: Sequence[int], places_n2: npt.NDArray[np.float32]) -> dict[int, Place]:
    return {row: (x, y) for row, (x, y) in zip(rows, places_n2.tolist(), strict=True)}

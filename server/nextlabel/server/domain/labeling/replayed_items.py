"""Which items of a pool the labels of a set are about: an annotator that knows none would be asked in vain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.projects.projects import Project

_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class ReplayedItems:
    """Compares the ids of known labels with those of a pool."""

    pools: Pools

    async def checked(self, project: Project, label_set: str, item_ids: Sequence[str]) -> str:
        """Return what to say where labels are missing for items of the pool; '' where every item has one.

        Pairs of single texts are made while a run asks: nobody knows beforehand which there will be.

        Raises:
            FailedPrecondition: no item of the pool has one; the message has an id of each side.
        """
        pool = await self.pools.open(project.id)
        if pool.unpaired:
            return ""
        apart = pool.unusable_rows()
        items = pool.index.next_row - len(apart)
        known = 0
        for first in range(0, len(item_ids), _AT_ONCE):
            rows = await self.pools.find(project.id, item_ids[first : first + _AT_ONCE])
            known += len(np.setdiff1d(rows[rows >= 0], apart))
        if known == 0:
            raise FailedPrecondition(
                f"none of the {len(item_ids):,} ids of the replay labels {label_set!r} (such as {item_ids[0][:80]!r}) "
                f"is one of the {items:,} items in the pool of project {project.name}"
                f"{await self._example(project, apart)}; upload the labels by the ids of the items",
                reason="NO_REPLAY_LABELS",
            )
        if known == items:
            return ""
        return f"the replay labels {label_set!r} know {known:,} of the {items:,} items of the pool"

    async def _example(self, project: Project, apart: Rows) -> str:
        first = np.setdiff1d(np.arange(len(apart) + 1), apart)[:1].tolist()
        found = await self.pools.items(project.id, first)
        return f" (such as {found[0].item_id[:80]!r})" if found else ""

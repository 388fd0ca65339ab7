"""Ids under which people see items where nothing may tell gold items from others.

The ids that items came with may tell: by their wording, or by their order. These are rows, encrypted by a Feistel
network (Luby and Rackoff 1988) under a key that never leaves the server, so that they need no table, hold on every
server, and outlive leases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.values.ids import ProjectId

_DISGUISED = re.compile(r"[0-9a-f]{16}")
_ROUNDS = 4
_HALF = 0xFFFFFFFF
NO_ROW = (1 << 62) - 1
"""No pool has so many items."""


def disguised(project: ProjectId, row: int) -> str:
    """Return the id that stands for a row, 16 hexadecimal digits.

    >>> row_of(ProjectId("p1"), disguised(ProjectId("p1"), 17))
    17
    """
    left, right = row >> 32, row & _HALF
    for number in range(_ROUNDS):
        left, right = right, left ^ _mixed(project, number, right)
    return f"{left << 32 | right:016x}"


def row_of(project: ProjectId, item_id: str) -> int | None:
    """Return the row that an id stands for; None for what is no such id. There may be no such row."""
    if not _DISGUISED.fullmatch(item_id):
        return None
    known = int(item_id, 16)
    left, right = known >> 32, known & _HALF
    for number in reversed(range(_ROUNDS)):
        left, right = right ^ _mixed(project, number, left), left
    return left << 32 | right


def _mixed(project: ProjectId, number: int, half: int) -> int:
    text = number.to_bytes(1, "big") + half.to_bytes(4, "big")
    return int.from_bytes(blake2b(text, key=project.encode()[:64], digest_size=4).digest(), "big")


@dataclass(frozen=True, slots=True)
class Disguises:
    """Finds the items behind such ids."""

    pools: Pools

    async def real_ids(self, project: ProjectId, item_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the ids that items came with, by those that were given, where these are others.

        An item that came with such an id of its own is meant by it.
        """
        hidden = [item_id for item_id in item_ids if _DISGUISED.fullmatch(item_id)]
        if not hidden:
            return {}
        pool = await self.pools.open(project)
        found = (await self.pools.find(project, hidden)).tolist()
        rows = {
            item_id: row
            for item_id, own in zip(hidden, found, strict=True)
            if own < 0 and (row := row_of(project, item_id)) is not None and row < pool.index.next_row
        }
        ids = {item.row: item.item_id for item in await self.pools.items(project, list(rows.values()))}
        return {item_id: ids[row] for item_id, row in rows.items() if row in ids}

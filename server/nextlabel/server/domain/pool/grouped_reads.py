"""Reads items for many callers at a time: what is asked for while one read runs becomes the next one.

A read of ten items costs a columnar store as much as one of a hundred, and annotators come in numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from nextlabel.server.ports.pool_store import StoredItem

MOST_ROWS = 256
"""Rows of a call that shares a read; larger ones would hold the others up."""

Read = Callable[[Sequence[int]], Awaitable[Sequence[StoredItem]]]


class GroupedReads:
    """Shares reads of one project's items. ``read`` returns items for the rows that there are."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._waiting: list[tuple[Sequence[int], asyncio.Future[Sequence[StoredItem]]]] = []
        self._reading: asyncio.Task[None] | None = None

    async def items(self, rows: Sequence[int]) -> Sequence[StoredItem]:
        """Return items in the order of ``rows``; rows without an item are left out."""
        if len(rows) > MOST_ROWS:
            return await self._read(rows)
        answer: asyncio.Future[Sequence[StoredItem]] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, answer))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_all())
        return await answer

    async def _read_all(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            wanted = sorted({row for rows, _ in group for row in rows})
            try:
                found = {item.row: item for item in await self._read(wanted)}
            except Exception as error:  # noqa: BLE001 -- whatever it is belongs to those who asked
                for _, answer in group:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for rows, answer in group:
                if not answer.done():
                    answer.set_result([found[row] for row in rows if row in found])

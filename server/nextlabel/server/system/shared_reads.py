"""Reads that callers share without anybody seeing what is old: who comes while one runs gets the next one.

A read on a thread costs more by the way there and back than by what it reads, and callers come in numbers. A cache
would have to be told of what other processes change; a read that begins after its callers came need not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Shares reads of the same key. Used on one event loop only."""

    def __init__(self) -> None:
        self._next: dict[str, asyncio.Task[T]] = {}
        self._running: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str, read: Callable[[], Awaitable[T]]) -> T:
        """Return what ``read`` returns, begun after this call; what it raises is raised by all who share it."""
        task = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._read(key, read, self._running.get(key)))
            task.add_done_callback(_noted)
            self._next[key] = task
        # A caller who leaves must not take the read from the others.
        return await asyncio.shield(task)

    async def _read(self, key: str, read: Callable[[], Awaitable[T]], earlier: asyncio.Task[T] | None) -> T:
        if earlier is not None:
            await asyncio.wait([earlier])
        mine = self._running[key] = self._next.pop(key)
        try:
            return await read()
        finally:
            if self._running[key] is mine:
                del self._running[key]


def _noted(task: asyncio.Task[T]) -> None:
    """Look at what went wrong, so that nothing is logged of a read whose callers have all left."""
    if not task.cancelled():
        task.exception()

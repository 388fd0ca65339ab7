"""Bounded pools of threads for blocking work: NumPy, Lance and torch release the GIL while they compute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """Implements `Executor` on ``workers`` threads; further work waits in a queue."""

    def __init__(self, name: str, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` on a thread. Cancelling the caller does not interrupt it, only the waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for work under way, drop what is queued."""
        self._pool.shutdown(wait=True, cancel_futures=True)

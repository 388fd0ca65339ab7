"""Bounded pools of threads for blocking work: NumPy, Lance and torch release the GIL while they compute."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """Implements `Executor` on ``workers`` threads; further work waits in a queue.

    ``niceness`` above 0 leaves the processor to other threads first, so that long work does not delay short calls.
    """

    def __init__(self, name: str, workers: int, niceness: int = 0) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name, initializer=_make_nice, initargs=(niceness,))

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` on a thread. Cancelling the caller does not interrupt it, only the waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for work under way, drop what is queued."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _make_nice(niceness: int) -> None:
    # On Linux a thread has a niceness of its own; elsewhere it would be the whole process that steps back.
    if niceness and sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)

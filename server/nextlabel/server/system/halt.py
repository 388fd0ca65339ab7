"""A request to begin nothing new."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Halt:
    """Says that nothing new is to be begun, while what is under way may finish. Once called it stays so."""

    def __init__(self) -> None:
        self._called = asyncio.Event()

    def call(self) -> None:
        """Let nothing new begin."""
        self._called.set()

    @property
    def is_called(self) -> bool:
        """True once nothing new is to begin."""
        return self._called.is_set()

    async def cut_short(self, waiting: Coroutine[Any, Any, object]) -> None:
        """Wait for `waiting`, but no longer than until the halt; it is cancelled then."""
        tasks = (asyncio.create_task(waiting), asyncio.create_task(self._called.wait()))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Halts:
    """The halts of this process, by what they are for, such as a run's id."""

    def __init__(self) -> None:
        self._halts: dict[str, Halt] = {}

    def of(self, name: str) -> Halt:
        """Return the halt of a name, the same one at each call until it is forgotten."""
        return self._halts.setdefault(name, Halt())

    def forget(self, name: str) -> None:
        """Drop the halt of what has ended."""
        self._halts.pop(name, None)

"""A request to begin nothing new."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Halt:
    """Says that nothing new is to be begun, while what is under way may finish. Once called it stays so."""

    def __init__(self) -> None:
        self.is_called = False
        self._waits: set[asyncio.Timeout] = set()

    def call(self) -> None:
        """Let nothing new begin, and end every wait. Call it on the event loop of those who wait."""
        if self.is_called:
            return
        self.is_called = True
        for wait in self._waits:
            wait.reschedule(asyncio.get_running_loop().time())

    async def cut_short(self, waiting: Coroutine[Any, Any, T]) -> T | None:
        """What `waiting` gives, waited for no longer than until the halt; it is cancelled then, and None is given."""
        if self.is_called:
            waiting.close()
            return None
        try:
            async with asyncio.timeout(None) as wait:
                self._waits.add(wait)
                try:
                    return await waiting
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            if not wait.expired():
                raise
            return None


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

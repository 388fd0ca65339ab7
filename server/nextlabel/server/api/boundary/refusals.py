"""How fast callers without credentials are told no.

A refused call costs the event loop as much as a small one that works, and whoever is refused at once can come back at
once. So refusals have a rate: a few mistakes are answered on the spot, a flood waits for its turn. A connection may
have only so many calls open, so that waiting for answers slows down who sends them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Refusals:
    """A token bucket: `burst` at once, then `per_s` a second; nobody waits when `waiting` others do already."""

    def __init__(
        self, *, burst: int, per_s: float, waiting: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst_s = burst / per_s
        self._each_s = 1.0 / per_s
        self._longest_s = waiting / per_s
        self._monotonic = monotonic
        self._next = float("-inf")

    def delay_s(self) -> float:
        """Take a turn and return the seconds until it comes."""
        now = self._monotonic()
        taken = max(self._next, now - self._burst_s)
        delay = taken + self._each_s - now
        if delay > self._longest_s:
            return 0.0
        self._next = taken + self._each_s
        return max(0.0, delay)

    async def turn(self) -> None:
        """Return when the next refusal may be sent."""
        if delay := self.delay_s():
            await asyncio.sleep(delay)

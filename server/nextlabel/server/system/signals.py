"""Wakes those who wait for news within this process; the news itself is read from the store."""

from __future__ import annotations

import asyncio
from collections import defaultdict


class Signals:
    """One event per topic. Waiters also wake after a time, since another replica may have caused the news."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, topic: str) -> None:
        """Wake everyone who waits for a topic."""
        for event in self._waiting.get(topic, ()):
            event.set()

    async def wait(self, topic: str, at_most_s: float) -> None:
        """Return at the next notification of a topic, or after ``at_most_s`` seconds."""
        event = asyncio.Event()
        self._waiting[topic].add(event)
        try:
            await asyncio.wait_for(event.wait(), at_most_s)
        except TimeoutError:
            return
        finally:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]

"""Wakes those who wait for news within this process; the news itself is read from the store."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Listener:
    """Hears the notifications of one topic, also while nobody waits: what comes during a read is not missed."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    def notify(self) -> None:
        """Wake who waits, or who waits next."""
        self._heard.set()

    async def wait(self, at_most_s: float) -> None:
        """Return when there was a notification since the last return, or after ``at_most_s`` seconds."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._heard.wait()
        except TimeoutError:
            return
        finally:
            self._heard.clear()


class Signals:
    """Listeners by topic. They also wake after a time, since another replica may have caused the news."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = defaultdict(set)

    def notify(self, topic: str) -> None:
        """Wake everyone who listens to a topic."""
        for listener in self._listeners.get(topic, ()):
            listener.notify()

    @contextmanager
    def listening(self, topic: str) -> Iterator[Listener]:
        """Listen to a topic until the block ends. Begin before reading what the notifications are about."""
        listener = Listener()
        self._listeners[topic].add(listener)
        try:
            yield listener
        finally:
            self._listeners[topic].discard(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]

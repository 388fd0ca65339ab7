"""Clocks and threads, injected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """The time, injected so that leases and windows are tested without sleeping."""

    def now(self) -> datetime:
        """Return the current aware UTC time."""
        ...


class Timer(Protocol):
    """Intervals and waiting, injected so that tests need not wait."""

    def monotonic(self) -> float:
        """Seconds, never going back."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Executor(Protocol):
    """Runs work on arrays off the event loop, on a bounded number of threads."""

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` on a worker thread and return its result."""
        ...

"""The machine's own time."""

import asyncio
import time


class SystemClock:
    """Implements `Clock` with the running event loop and the operating system."""

    def monotonic(self) -> float:
        """Seconds, never going back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the event loop."""
        await asyncio.sleep(seconds)

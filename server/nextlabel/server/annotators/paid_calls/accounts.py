"""What all calls with one key to one server share, whichever run makes them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nextlabel.server.annotators.paid_calls.reservation_sizes import ReservationSizes
from nextlabel.server.annotators.paid_calls.throttle import Throttle
from nextlabel.server.ports.system import Timer
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.system.origins import Origin


class Account:
    """A key at a server: its rate limits and cool-down, and how large its replies turned out to be."""

    def __init__(self, clock: Timer | None = None) -> None:
        self.throttle = Throttle(clock or SystemClock())
        self.sizes = ReservationSizes()
        self._first: dict[str, asyncio.Lock] = {}
        self._tried: set[str] = set()

    @asynccontextmanager
    async def first_alone(self, model: str) -> AsyncIterator[None]:
        """Let the first attempt at a model go alone, so that a server whose replies are too large gets one of them."""
        lock = self._first.setdefault(model, asyncio.Lock())
        if model in self._tried:
            yield
            return
        async with lock:
            if model not in self._tried:
                try:
                    yield
                finally:
                    self._tried.add(model)
                return
        yield


class Accounts:
    """The accounts of this process: one for each origin and key."""

    def __init__(self, clock: Timer | None = None) -> None:
        self._clock = clock or SystemClock()
        self._accounts: dict[tuple[Origin, str], Account] = {}

    def of(self, base_url: str, key: str | None) -> Account:
        """Return the account of a key at the origin of a base URL, the same one at each call."""
        fingerprint = hashlib.sha256((key or "").encode()).hexdigest()
        return self._accounts.setdefault((Origin.of(base_url), fingerprint), Account(self._clock))

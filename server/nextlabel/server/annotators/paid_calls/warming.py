"""Makes prompt caching work: no breakpoint where it is silently ignored, and the first request goes alone.

Parallel first requests would each write the cache and none would read it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nextlabel.server.annotators.endpoints.cache_ttl import CacheTtl
from nextlabel.server.annotators.endpoints.wire import ModelRequest
from nextlabel.server.ports.system import Timer

_BYTES_PER_TOKEN = 3
_SECONDS = {CacheTtl.FIVE_MINUTES: 300.0, CacheTtl.ONE_HOUR: 3_600.0}


class CacheWarming:
    """Remembers which prefixes are warm; shared by all calls to one endpoint."""

    def __init__(self, clock: Timer, cache_minimum: int) -> None:
        self._clock = clock
        self._cache_minimum = cache_minimum
        self._locks: dict[str, asyncio.Lock] = {}
        self._warm_until_s: dict[str, float] = {}

    def useful_ttl(self, system: str, wanted: CacheTtl | None) -> CacheTtl | None:
        """`wanted`, or None when the prefix is too short to be cached at all."""
        long_enough = len(system.encode()) >= self._cache_minimum * _BYTES_PER_TOKEN
        return wanted if long_enough else None

    @asynccontextmanager
    async def first_alone(self, request: ModelRequest) -> AsyncIterator[None]:
        """Let one request through; others with the same prefix wait until it is done, then go together.

        Every use keeps a prefix warm, as it does at the endpoint.
        """
        ttl = request.cache_ttl
        if ttl is None:
            yield
            return
        lock = self._locks.setdefault(request.system, asyncio.Lock())
        if self._warm(request.system):
            yield
        else:
            async with lock:
                if not self._warm(request.system):
                    yield
                    self._warm_until_s[request.system] = self._clock.monotonic() + _SECONDS[ttl]
                    return
            yield
        self._warm_until_s[request.system] = self._clock.monotonic() + _SECONDS[ttl]

    def _warm(self, prefix: str) -> bool:
        return self._warm_until_s.get(prefix, float("-inf")) > self._clock.monotonic()

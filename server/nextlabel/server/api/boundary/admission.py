"""How many calls run at a time: no queue without end, and no caller who takes all the places.

Work, watchers and callers who need no token have places of their own, so that none of them can crowd out another. A
call holds its place only once its request is there; until then it waits among the arrivals.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from nextlabel.server.settings.port import ApiSettings
from nextlabel.server.values.errors import ResourceExhausted

# Long enough for a burst to pass, short enough that a client does not give up.
_RETRY_AFTER_S = 0.5

_UNKNOWN_STREAMS = 256
_UNKNOWN_STREAMS_PER_HOST = 64
_UNKNOWN_ARRIVALS = 256
_ARRIVALS = 2_048


class OverdueRequestError(Exception):
    """A call began and its request did not come within `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"no request came within {seconds:g} s")


class Admission:
    """Counts the calls of one kind that are under way. Used on one event loop only, so that no lock is needed."""

    def __init__(self, *, total: int, per_caller: int) -> None:
        self._total = total
        self._per_caller = per_caller
        self._running = 0
        self._by_caller: Counter[str] = Counter()

    @contextmanager
    def place(self, caller: str) -> Iterator[None]:
        """Hold one of all places and one of the caller's, or raise ResourceExhausted."""
        if self._by_caller[caller] >= self._per_caller:
            raise _full("this caller", "concurrent_calls_per_caller", self._per_caller)
        if self._running >= self._total:
            raise _full("the server", "concurrent_calls", self._total)
        self._running += 1
        self._by_caller[caller] += 1
        try:
            yield
        finally:
            self._running -= 1
            self._by_caller[caller] -= 1
            if not self._by_caller[caller]:
                del self._by_caller[caller]


class Arrivals:
    """Calls that wait for something that takes a moment when all is well: their request, or their token's record.

    When there is no more room, the one that has waited longest must leave: who comes is always let in, and who sends
    at once is never sent away by those who do not.
    """

    def __init__(self, *, room: int, patience_s: float) -> None:
        self._room = room
        self._patience_s = patience_s
        # In the order of their coming.
        self._waiting: dict[asyncio.Timeout, None] = {}

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Let the body wait.

        Raises:
            OverdueRequestError: it has lasted too long.
            ResourceExhausted: others need the room.
        """
        if len(self._waiting) >= self._room:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.reschedule(asyncio.get_running_loop().time())
        scope = asyncio.timeout(self._patience_s)
        try:
            async with scope:
                self._waiting[scope] = None
                yield
        except TimeoutError as error:
            if not scope.expired():
                raise
            if scope in self._waiting:
                raise OverdueRequestError(self._patience_s) from error
            raise _full("the server", "waiting_calls", self._room) from error
        finally:
            self._waiting.pop(scope, None)


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a server, by what they are for.

    `calls` and `streams` are for work, `watchers` for streams without end, `unknown` for the streams of callers who
    need no token: watchers of health and reflection.
    """

    calls: Admission
    streams: Admission
    watchers: Admission
    unknown: Admission
    arrivals: Arrivals
    unknown_arrivals: Arrivals
    unknown_tokens: Arrivals

    @classmethod
    def of(cls, settings: ApiSettings) -> Places:
        """Return the places that the settings allow."""
        streams, streams_per_caller = settings.concurrent_streams, settings.concurrent_streams_per_caller
        return cls(
            calls=Admission(total=settings.concurrent_calls, per_caller=settings.concurrent_calls_per_caller),
            streams=Admission(total=streams, per_caller=streams_per_caller),
            watchers=Admission(total=streams, per_caller=streams_per_caller),
            unknown=Admission(total=_UNKNOWN_STREAMS, per_caller=_UNKNOWN_STREAMS_PER_HOST),
            arrivals=Arrivals(room=_ARRIVALS, patience_s=settings.request_wait_s),
            unknown_arrivals=Arrivals(room=_UNKNOWN_ARRIVALS, patience_s=settings.unknown_request_wait_s),
            unknown_tokens=Arrivals(room=_UNKNOWN_ARRIVALS, patience_s=settings.unknown_request_wait_s),
        )


def _full(whose: str, quota: str, limit: int) -> ResourceExhausted:
    return ResourceExhausted(
        f"{whose} has {limit} calls of this kind under way, the most allowed; try again later",
        quota=quota,
        retry_after_s=_RETRY_AFTER_S,
        reason="TOO_MANY_CALLS",
    )

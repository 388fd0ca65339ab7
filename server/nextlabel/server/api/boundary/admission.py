"""How many calls run at a time: no queue without end, and no caller who takes all the places."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from nextlabel.server.values.errors import ResourceExhausted

# Long enough for a burst to pass, short enough that a client does not give up.
_RETRY_AFTER_S = 0.5


class Admission:
    """Counts the calls under way. Used on one event loop only, so that no lock is needed."""

    def __init__(self, *, total: int, per_caller: int) -> None:
        self._total = total
        self._per_caller = per_caller
        self._running = 0
        self._by_caller: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """Calls under way."""
        return self._running

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of all places, or raise ResourceExhausted."""
        if self._running >= self._total:
            raise _full("the server", "concurrent_calls", self._total)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    @contextmanager
    def place_of(self, caller: str) -> Iterator[None]:
        """Hold one of the places of one caller, or raise ResourceExhausted."""
        if self._by_caller[caller] >= self._per_caller:
            raise _full("this caller", "concurrent_calls_per_caller", self._per_caller)
        self._by_caller[caller] += 1
        try:
            yield
        finally:
            self._by_caller[caller] -= 1
            if not self._by_caller[caller]:
                del self._by_caller[caller]


def _full(whose: str, quota: str, limit: int) -> ResourceExhausted:
    return ResourceExhausted(
        f"{whose} has {limit} calls of this kind under way, the most allowed; try again later",
        quota=quota,
        retry_after_s=_RETRY_AFTER_S,
        reason="TOO_MANY_CALLS",
    )

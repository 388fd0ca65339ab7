"""Rate limits and cool-downs that all calls with one key to one server share."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass

from nextlabel.server.ports.system import Timer

_PREFIX = "anthropic-ratelimit-"
_LIMITED = ("requests", "input-tokens", "output-tokens")
_WINDOW_S = 60.0
_LONGEST_COOL_DOWN_S = 3_600.0
"""A server that asks for more is asked again by then: it may be a mistake, and the key of no use until then."""


@dataclass(slots=True)
class TokenBucket:
    """A limit per minute that refills continuously. Unlimited until the server names a limit."""

    limit: float = math.inf
    level: float = math.inf
    updated_s: float = 0.0

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until `amount` may be taken; an amount above the limit needs a full bucket."""
        self._refill(now_s)
        lacking = min(amount, self.limit) - self.level
        return max(0.0, lacking / self.limit * _WINDOW_S) if math.isfinite(self.limit) else 0.0

    def take(self, amount: float) -> None:
        """Take `amount`; the level may go below zero for an amount above the limit."""
        self.level -= amount

    def observe(self, limit: float | None, remaining: float | None, now_s: float) -> None:
        """Learn from the server: its limit holds, and what remains is at most what it says."""
        self._refill(now_s)
        if limit is not None and limit >= 1:
            self.limit = limit
            self.level = min(self.level, limit)
        if remaining is not None:
            self.level = min(self.level, max(0.0, remaining))

    def _refill(self, now_s: float) -> None:
        if math.isfinite(self.limit):
            gained = self.limit * (now_s - self.updated_s) / _WINDOW_S
            self.level = min(self.limit, self.level + gained)
        self.updated_s = now_s


class Throttle:
    """Admits calls in the order they came, when the model's buckets and the shared cool-down allow."""

    def __init__(self, clock: Timer) -> None:
        self._clock = clock
        self._queues: dict[str, asyncio.Lock] = {}
        self._buckets: dict[str, dict[str, TokenBucket]] = {}
        self._cool_until_s = -math.inf

    async def admit(self, model: str, input_tokens: int, output_tokens: int, patience_s: float = math.inf) -> float:
        """Return 0 when a call to `model` with about these tokens may be sent; models have limits of their own.

        Where a call that is next would have to wait longer than `patience_s`, it returns how long, at once.
        """
        buckets = self._of(model)
        amounts = {"requests": 1, "input-tokens": input_tokens, "output-tokens": output_tokens}
        async with self._queues.setdefault(model, asyncio.Lock()):
            while True:
                now = self._clock.monotonic()
                waits = (buckets[name].wait_s(amount, now) for name, amount in amounts.items())
                wait = max(self._cool_until_s - now, *waits)
                if wait <= 0:
                    break
                if wait > patience_s:
                    return wait
                await self._clock.sleep(wait)
            for name, amount in amounts.items():
                buckets[name].take(amount)
        return 0.0

    def cool_down(self, seconds: float) -> None:
        """Admit nothing for `seconds` from now, an hour at most; a longer cool-down in force stays."""
        until = self._clock.monotonic() + min(seconds, _LONGEST_COOL_DOWN_S)
        self._cool_until_s = max(self._cool_until_s, until)

    def remaining_cool_down_s(self) -> float:
        """Seconds until the shared cool-down ends, at least 0."""
        return max(0.0, self._cool_until_s - self._clock.monotonic())

    def observe(self, model: str, headers: Mapping[str, str]) -> None:
        """Read the rate-limit headers of a reply; absent or unreadable ones change nothing."""
        now = self._clock.monotonic()
        for name, bucket in self._of(model).items():
            limit, remaining = headers.get(f"{_PREFIX}{name}-limit"), headers.get(f"{_PREFIX}{name}-remaining")
            bucket.observe(_number(limit), _number(remaining), now)

    def _of(self, model: str) -> dict[str, TokenBucket]:
        if model not in self._buckets:
            now = self._clock.monotonic()
            self._buckets[model] = {name: TokenBucket(updated_s=now) for name in _LIMITED}
        return self._buckets[model]


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is None or math.isfinite(value) else None

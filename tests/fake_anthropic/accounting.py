"""What the fake would have charged, computed on its own terms: exact fractions, rounded up per request."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

HIDDEN_TOKENS = 20


@dataclass(frozen=True)
class FakePrice:
    """US dollars per million tokens."""

    input: Fraction = Fraction(1)
    output: Fraction = Fraction(5)
    write_5m: Fraction = Fraction(5, 4)
    write_1h: Fraction = Fraction(2)
    read: Fraction = Fraction(1, 10)
    batch: Fraction = Fraction(1, 2)
    cache_minimum: int = 4096


def tokens_of(text: str) -> int:
    """About four bytes make a token."""
    return math.ceil(len(text.encode()) / 4)


@dataclass
class Books:
    """Usage, money and the prompt cache."""

    price: FakePrice = field(default_factory=FakePrice)
    now: Callable[[], float] = lambda: 0.0
    micro_usd: int = 0
    charged_requests: int = 0
    charged_bodies: dict[str, int] = field(default_factory=dict)
    _cache: dict[str, float] = field(default_factory=dict)

    def input_tokens(self, params: Mapping[str, Any]) -> int:
        """What count_tokens says."""
        return self._prefix_tokens(params) + self._rest_tokens(params)

    def usage(self, params: Mapping[str, Any], output_tokens: int) -> dict[str, Any]:
        """Usage of a request that arrived now; reads the cache."""
        prefix, rest = self._prefix_tokens(params), self._rest_tokens(params)
        read = write = 0
        ttl = cache_ttl(params)
        if ttl is not None and prefix >= self.price.cache_minimum:
            if self._cache.get(_prefix_key(params), -math.inf) > self.now():
                read = prefix
            else:
                write = prefix
            prefix = 0
        return {
            "input_tokens": prefix + rest,
            "output_tokens": output_tokens,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": write,
            "cache_creation": {
                "ephemeral_5m_input_tokens": write if ttl == "5m" else 0,
                "ephemeral_1h_input_tokens": write if ttl == "1h" else 0,
            },
            "service_tier": "standard",
        }

    def charge(self, params: Mapping[str, Any], usage: Mapping[str, Any], *, batch: bool = False) -> int:
        """Book an answered request, fill the cache, and return its price in micro-dollars."""
        ttl = cache_ttl(params)
        if ttl is not None:
            self._cache[_prefix_key(params)] = self.now() + (300 if ttl == "5m" else 3600)
        amount = self._amount(params, usage, batch=batch)
        self.micro_usd += amount
        self.charged_requests += 1
        return amount

    def undo(self, params: Mapping[str, Any], usage: Mapping[str, Any]) -> None:
        """Take back what a request of a message batch was charged, which was cancelled before it was worked on."""
        self.micro_usd -= self._amount(params, usage, batch=True)
        self.charged_requests -= 1

    def _amount(self, params: Mapping[str, Any], usage: Mapping[str, Any], *, batch: bool) -> int:
        ttl, price = cache_ttl(params), self.price
        write = price.write_1h if ttl == "1h" else price.write_5m
        exact: Fraction = (
            usage["input_tokens"] * price.input
            + usage["cache_read_input_tokens"] * price.input * price.read
            + usage["cache_creation_input_tokens"] * price.input * write
            + usage["output_tokens"] * price.output
        )
        return math.ceil(exact * price.batch) if batch else math.ceil(exact)

    def _prefix_tokens(self, params: Mapping[str, Any]) -> int:
        system = params.get("system", "")
        return tokens_of(system if isinstance(system, str) else "".join(block["text"] for block in system))

    def _rest_tokens(self, params: Mapping[str, Any]) -> int:
        schema = (params.get("output_config") or {}).get("format", {})
        messages = "".join(str(message["content"]) for message in params["messages"])
        return tokens_of(messages) + tokens_of(json.dumps(schema)) + HIDDEN_TOKENS


def cache_ttl(params: Mapping[str, Any]) -> str | None:
    """The ttl of the cache breakpoint behind the system prompt."""
    system = params.get("system")
    if isinstance(system, list) and system and system[-1].get("cache_control"):
        return str(system[-1]["cache_control"].get("ttl", "5m"))
    return None


def _prefix_key(params: Mapping[str, Any]) -> str:
    return json.dumps([params.get("model"), params.get("system")])

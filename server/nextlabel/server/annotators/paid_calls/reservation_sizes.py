"""How much to set aside for a call: never less than it can use, and less than that anything could as usage is learned.

The size in bytes bounds the tokens of a prompt from above, about fourfold. But what requests share, their system
prompt and schema, has as many tokens in each of them: a reply that was seen bounds it much better, and only what is new
in the next request has to be taken at a token a byte.
"""

import hashlib
import json
import math
from dataclasses import dataclass, replace

from cachetools import LRUCache

from nextlabel.server.annotators.endpoints.wire import ModelRequest
from nextlabel.server.values.money.costs import Usage

_SLACK_TOKENS = 64
"""Where texts meet, tokens may be cut otherwise."""
_MOST_PREFIXES = 1_000


@dataclass(slots=True)
class _Excess:
    """How many times its bound a model's prompt and answer were at most; 1 as long as the bounds hold."""

    input: float = 1.0
    output: float = 1.0


class ReservationSizes:
    """The most that requests can use, learned from replies."""

    def __init__(self) -> None:
        self._shared: LRUCache[tuple[str, str], int] = LRUCache(_MOST_PREFIXES)
        self._excess: dict[str, _Excess] = {}
        self._unlike: set[str] = set()

    def worst(self, request: ModelRequest) -> Usage:
        """Return the most that a request can use, as far as is known."""
        worst, excess = request.worst_usage(), self._excess.get(request.model, _Excess())
        bound = worst.input_tokens + worst.cache_write_tokens
        seen = self._shared.get(_prefix(request))
        if seen is not None:
            bound = min(bound, seen + len(request.user.encode()) + _SLACK_TOKENS)
        bound, output = math.ceil(bound * excess.input), math.ceil(worst.output_tokens * excess.output)
        if worst.cache_write_tokens:
            return replace(worst, cache_write_tokens=bound, output_tokens=output)
        return replace(worst, input_tokens=bound, output_tokens=output)

    def learn(self, request: ModelRequest, worst: Usage, usage: Usage) -> bool:
        """Take note of a reply's usage; return False when it was more than `worst`, which was set aside for it."""
        prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        if prompt > worst.input_tokens + worst.cache_write_tokens or usage.output_tokens > worst.output_tokens:
            self._exceeded(request, prompt, usage.output_tokens)
            return False
        if request.model not in self._unlike:
            self._remember(_prefix(request), prompt)
        return True

    def _remember(self, prefix: tuple[str, str], prompt: int) -> None:
        self._shared[prefix] = min(prompt, self._shared.get(prefix, prompt))

    def _exceeded(self, request: ModelRequest, prompt: int, output: int) -> None:
        # This server's counts do not follow from its earlier ones: from here on sizes in bytes hold for the model,
        # times what they were exceeded by.
        self._unlike.add(request.model)
        for prefix in [prefix for prefix in self._shared if prefix[0] == request.model]:
            del self._shared[prefix]
        plain, excess = request.worst_usage(), self._excess.setdefault(request.model, _Excess())
        excess.input = max(excess.input, prompt / (plain.input_tokens + plain.cache_write_tokens))
        excess.output = max(excess.output, output / plain.output_tokens)


def _prefix(request: ModelRequest) -> tuple[str, str]:
    text = json.dumps([request.system, request.schema, request.effort], sort_keys=True)
    return request.model, hashlib.sha256(text.encode()).hexdigest()

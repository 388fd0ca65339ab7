"""What goes to and comes from an LLM endpoint, whatever dialect it speaks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from nextlabel.server.annotators.endpoints.cache_ttl import CacheTtl
from nextlabel.server.tasks.json_schema import JsonSchema
from nextlabel.server.values.money.costs import Usage

_HIDDEN_TOKENS = 1_500
"""Bound on what endpoints add to a prompt by themselves: roles, and the instructions behind structured output."""


class Charge(StrEnum):
    """Whether an attempt has to be paid."""

    PAID = "paid"
    UNPAID = "unpaid"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call: `system` is cacheable and comes first. `cache_ttl` None asks for no prompt caching.

    `score_levels` are the scores to choose from, for endpoints that take no other; empty where no score is asked for.
    `label_tokens` asks for what else the tokens of a label might have been, of endpoints that say so; it makes replies
    large. `sample` is above 0 where an answer that differs from those of lower numbers is wanted.
    """

    model: str
    system: str
    user: str
    schema: JsonSchema
    max_output_tokens: int
    cache_ttl: CacheTtl | None = None
    effort: str | None = None
    score_levels: tuple[float, ...] = ()
    label_tokens: bool = False
    sample: int = 0

    def worst_usage(self) -> Usage:
        """The most this call can use.

        A token stands for at least one byte of text, so the size in bytes bounds the number of tokens from above.
        """
        texts = (self.system, self.user, json.dumps(self.schema))
        bound = sum(len(text.encode()) for text in texts) + _HIDDEN_TOKENS
        if self.cache_ttl is None:
            return Usage(input_tokens=bound, output_tokens=self.max_output_tokens, requests=1)
        return Usage(cache_write_tokens=bound, output_tokens=self.max_output_tokens, requests=1)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole HTTP response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class FailureKind(StrEnum):
    """Why an attempt gave no reply of a model."""

    RATE_LIMITED = "rate limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server error"
    CONFLICT = "conflict"
    TIMEOUT = "timed out"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"
    MALFORMED = "malformed reply"
    BAD_REQUEST = "bad request"
    TOO_LARGE = "too large"
    CREDENTIALS = "credentials refused"
    MODEL = "no such model"
    SPEND_LIMIT = "spend limit reached"
    OVERSIZED = "reply too large"
    REDIRECTED = "redirected"
    TLS = "no trusted connection"
    PROXY = "proxy"
    FORBIDDEN_ADDRESS = "address not allowed"

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self in _RETRYABLE

    @property
    def charge(self) -> Charge:
        """Whether such an attempt is billed; unknown when the model may have worked for us unseen."""
        return Charge.UNKNOWN if self in _UNKNOWN_CHARGE else Charge.UNPAID

    @property
    def stop_reason(self) -> str | None:
        """The reason of `AnnotatorStopped` when no other item can succeed either."""
        return _STOP_REASONS.get(self)


_RETRYABLE = frozenset(
    {
        FailureKind.RATE_LIMITED,
        FailureKind.OVERLOADED,
        FailureKind.SERVER_ERROR,
        FailureKind.CONFLICT,
        FailureKind.TIMEOUT,
        FailureKind.UNREACHABLE,
        FailureKind.INTERRUPTED,
        FailureKind.MALFORMED,
        FailureKind.PROXY,
    }
)
_UNKNOWN_CHARGE = frozenset(
    {FailureKind.TIMEOUT, FailureKind.INTERRUPTED, FailureKind.MALFORMED, FailureKind.OVERSIZED}
)
_STOP_REASONS = {
    FailureKind.CREDENTIALS: "ANNOTATOR_CREDENTIALS",
    FailureKind.MODEL: "ANNOTATOR_MODEL",
    FailureKind.SPEND_LIMIT: "ANNOTATOR_SPEND_LIMIT",
    FailureKind.REDIRECTED: "ANNOTATOR_REDIRECTED",
    FailureKind.TLS: "ANNOTATOR_TLS",
    FailureKind.FORBIDDEN_ADDRESS: "ANNOTATOR_ADDRESS",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt without a model's reply."""

    kind: FailureKind
    message: str
    retry_after_s: float | None = None

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.message}"


class Stop(StrEnum):
    """Why a model stopped."""

    FINISHED = "finished"
    TRUNCATED = "truncated"
    CONTEXT_FULL = "context full"
    REFUSED = "refused"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """One token of an answer, and the log-probabilities of the alternatives it was chosen from, itself included."""

    token: str
    alternatives: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply.

    `usage_told` is False where the server does not say what was used: the most that the request can have used counts.
    `label_tokens` are the tokens from the first character of the label on, where the endpoint gives them, and
    `label_probabilities` the probabilities of the values that the label may have, where it gives those itself.
    """

    text: str
    stop: Stop
    usage: Usage
    model: str
    request_id: str = ""
    detail: str = ""
    usage_told: bool = True
    label_tokens: tuple[TokenChoice, ...] = ()
    label_probabilities: Mapping[str, float] = field(default_factory=dict)


class Endpoint(Protocol):
    """One server that speaks one dialect."""

    @property
    def api_version(self) -> str:
        """What provenance names: the version of the API, or the dialect where there are no versions."""
        ...

    def fingerprint(self, request: ModelRequest) -> object:
        """All that goes out with a request and may change its answer, and where it goes; JSON, without secrets.

        Answer keys are made of it, so that no two requests that differ share an answer.
        """
        ...

    async def send(self, request: ModelRequest, timeout_s: float) -> HttpReply | Failure:
        """One attempt, without retries; every HTTP status is a reply, a failed transport is a `Failure`."""
        ...

    def read(self, reply: HttpReply) -> Reply | Failure:
        """Make sense of any reply; never raises."""
        ...

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """Input tokens of a request, free of charge; None where the endpoint cannot count."""
        ...

    async def close(self) -> None:
        """Free connections; idempotent."""
        ...

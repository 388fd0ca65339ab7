"""Misbehaviour on demand: a script of faults, then rates."""

import json
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One way to misbehave.

    `status` other than 200 is an error of the API. For 200 the `kind` says what is wrong: `html`, `envelope`,
    `other_shape`, `broken_json` (the envelope), `bad_answer` (the model's JSON), `unknown_label`, `missing_ids`,
    `duplicate_ids`, `free_text`, `refusal`, `truncation`, `context_full`, `no_usage`, `drop` (connection), `drop_paid`.
    """

    kind: str = ""
    status: int = 200
    error_type: str = "api_error"
    error_code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "scripted"

    def envelope(self, request_id: str) -> str:
        """The error document of the API."""
        error: dict[str, Any] = {"type": self.error_type, "message": self.message}
        if self.error_code is not None:
            error["details"] = {"error_code": self.error_code}
        return json.dumps({"type": "error", "error": error, "request_id": request_id})


def rate_limited(retry_after: float | None = 0.2, code: str | None = None) -> Fault:
    """429, with a wait unless None."""
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Fault(status=429, error_type="rate_limit_error", error_code=code, headers=headers)


def overloaded() -> Fault:
    """529."""
    return Fault(status=529, error_type="overloaded_error")


@dataclass
class Faults:
    """First the `script`, one entry per request (None: behave); then faults at random by `rates`."""

    script: deque[Fault | None] = field(default_factory=deque)
    rates: list[tuple[float, Fault]] = field(default_factory=list)
    seed: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def next(self) -> Fault | None:
        """The fault of the request that just arrived, if any."""
        if self.script:
            return self.script.popleft()
        draw = self._rng.random()
        for rate, fault in self.rates:
            if draw < rate:
                return fault
            draw -= rate
        return None

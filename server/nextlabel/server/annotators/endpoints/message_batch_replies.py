"""Reading what the Messages API says about message batches. Nothing here raises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from nextlabel.server.annotators.endpoints.anthropic_replies import read_error
from nextlabel.server.annotators.endpoints.json_bodies import parse_json
from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind, HttpReply

_ID = re.compile(r"[A-Za-z0-9][\w.:-]{0,199}", re.ASCII)
"""An id becomes part of an address and is stored; what is none of this is no id."""


@dataclass(frozen=True, slots=True)
class MessageBatchState:
    """How far a message batch is. `created_s` counts from the Unix epoch; `results_url` is empty until it has ended."""

    batch_id: str
    ended: bool
    results_url: str
    size: int
    created_s: float


class ResultKind(StrEnum):
    """What became of one request of a message batch; only the first is billed."""

    ANSWERED = "answered"
    REFUSED = "refused"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class MessageBatchResult:
    """One request's end. `message` is the model's, for answered ones; `why` says why there is none."""

    custom_id: str
    kind: ResultKind
    message: Any = None
    why: str = ""


def read_state(reply: HttpReply | Failure) -> MessageBatchState | Failure:
    """The state of one message batch."""
    body = _document(reply)
    return body if isinstance(body, Failure) else _state(body)


def read_page(reply: HttpReply | Failure) -> tuple[list[MessageBatchState], str] | Failure:
    """A page of message batches, newest first, and the id after which the next page begins; empty at the end."""
    body = _document(reply)
    if isinstance(body, Failure):
        return body
    entries = body.get("data")
    states = [_state(entry) for entry in entries] if isinstance(entries, list) else []
    known = [state for state in states if not isinstance(state, Failure)]
    last_id = body.get("last_id")
    return known, str(last_id) if body.get("has_more") and known and _is_id(last_id) else ""


def read_results(reply: HttpReply | Failure) -> list[MessageBatchResult] | Failure:
    """All results of a message batch; a failure when only a part of them came."""
    if isinstance(reply, Failure):
        return reply
    if reply.status != 200:
        return read_error(reply, parse_json(reply.body))
    results = []
    for line in reply.body.splitlines():
        if not line.strip():
            continue
        entry = parse_json(line)
        if not isinstance(entry, dict) or not isinstance(entry.get("custom_id"), str):
            return Failure(FailureKind.INTERRUPTED, "the results of a message batch were cut off")
        results.append(_result(entry["custom_id"], entry.get("result")))
    return results


def _result(custom_id: str, result: Any) -> MessageBatchResult:
    result = result if isinstance(result, dict) else {}
    match result.get("type"):
        case "errored":
            # The error of a request comes in the envelope that a single call's would come in.
            failure = read_error(HttpReply(400, {}, b""), result.get("error"))
            undone = failure.kind.retryable
            return MessageBatchResult(custom_id, ResultKind.UNDONE if undone else ResultKind.REFUSED, why=str(failure))
        case "canceled" | "expired" as why:
            return MessageBatchResult(custom_id, ResultKind.UNDONE, why=why)
        case _:
            return MessageBatchResult(custom_id, ResultKind.ANSWERED, message=result.get("message"))


def _document(reply: HttpReply | Failure) -> Mapping[str, Any] | Failure:
    if isinstance(reply, Failure):
        return reply
    body = parse_json(reply.body)
    if reply.status != 200 or (isinstance(body, dict) and body.get("type") == "error"):
        return read_error(reply, body)
    if not isinstance(body, dict):
        return Failure(FailureKind.MALFORMED, "the endpoint answered 200 with something that is no message batch")
    return body


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _state(body: Any) -> MessageBatchState | Failure:
    try:
        if not _is_id(body["id"]):
            raise ValueError("no id")
        return MessageBatchState(
            batch_id=body["id"],
            ended=body["processing_status"] == "ended",
            results_url=str(body.get("results_url") or ""),
            size=sum(int(count) for count in body["request_counts"].values()),
            created_s=datetime.fromisoformat(body["created_at"]).timestamp(),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return Failure(FailureKind.MALFORMED, "the endpoint answered 200 with something that is no message batch")

"""Reading replies of the Messages API, the well-formed and the others.

The API, gateways and proxies answer 200 with HTML, with error envelopes, with other vendors' shapes or with half a
document; none of these may raise, look like an answer, or hide what was spent.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from nextlabel.server.annotators.endpoints.json_bodies import parse_json
from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind, HttpReply, Reply, Stop
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.money.costs import Usage

_STOPS = {
    "end_turn": Stop.FINISHED,
    "stop_sequence": Stop.FINISHED,
    "max_tokens": Stop.TRUNCATED,
    "model_context_window_exceeded": Stop.CONTEXT_FULL,
    "refusal": Stop.REFUSED,
}

# Most specific first: an error code decides, then the error type, then the status.
_KIND_OF_CODE = {
    "contract_spend_limit_reached": FailureKind.SPEND_LIMIT,
    "enforced_spend_limit_reached": FailureKind.SPEND_LIMIT,
    "linked_organization_spend_limit_reached": FailureKind.SPEND_LIMIT,
    "linked_organization_billing_unavailable": FailureKind.SPEND_LIMIT,
    "organization_on_hold": FailureKind.CREDENTIALS,
    "ramp_limit_exceeded": FailureKind.RATE_LIMITED,
    "insufficient_quota": FailureKind.SPEND_LIMIT,
}
_KIND_OF_TYPE = {
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "overloaded_error": FailureKind.OVERLOADED,
    "api_error": FailureKind.SERVER_ERROR,
    "timeout_error": FailureKind.TIMEOUT,
    "authentication_error": FailureKind.CREDENTIALS,
    "permission_error": FailureKind.CREDENTIALS,
    "billing_error": FailureKind.SPEND_LIMIT,
    "not_found_error": FailureKind.MODEL,
    "conflict_error": FailureKind.CONFLICT,
}
_KIND_OF_STATUS = {
    401: FailureKind.CREDENTIALS,
    402: FailureKind.SPEND_LIMIT,
    403: FailureKind.CREDENTIALS,
    404: FailureKind.MODEL,
    408: FailureKind.TIMEOUT,
    409: FailureKind.CONFLICT,
    413: FailureKind.TOO_LARGE,
    429: FailureKind.RATE_LIMITED,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOADED,
}
_NO_CREDIT = "credit balance is too low"
"""An account without money is answered 400 and has no error code of its own, only this sentence."""
_MAX_NAME_CHARACTERS = 200
_MAX_MESSAGE_CHARACTERS = 300
_MOST_TOKENS = 10**9
"""More than any reply can have used; a number beyond is no usage."""


def read_anthropic_reply(reply: HttpReply) -> Reply | Failure:
    """A model's reply, or why there is none. Never raises."""
    body = parse_json(reply.body)
    if reply.status != 200 or (isinstance(body, dict) and body.get("type") == "error"):
        return read_error(reply, body)
    return read_message(body, reply.headers)


def read_message(body: Any, headers: Mapping[str, str]) -> Reply | Failure:
    """A `message` object, of a call or of a batch result.

    Some gateways leave its usage out, or write what can be none: the answer was paid for all the same.
    """
    if not isinstance(body, dict) or body.get("type") != "message":
        return Failure(FailureKind.MALFORMED, "the endpoint answered 200 with something that is no message")
    usage = _usage(body.get("usage"))
    content = body.get("content")
    text = "".join(_text_of(block) for block in content) if isinstance(content, list) else ""
    stop_reason = str(body.get("stop_reason"))
    if usage is None and not text and stop_reason not in _STOPS:
        return Failure(FailureKind.MALFORMED, "the message has no usage, no text and no reason for that")
    return Reply(
        text=text,
        stop=_STOPS.get(stop_reason, Stop.OTHER),
        usage=usage or Usage(),
        usage_told=usage is not None,
        model=bounded_name(body.get("model")),
        request_id=bounded_name(headers.get("request-id")),
        detail=bounded_name(_stop_detail(stop_reason, body.get("stop_details"))),
    )


def read_error(reply: HttpReply, body: Any) -> Failure:
    """What an error status or error envelope means, in the dialects of Anthropic and of OpenAI."""
    if 300 <= reply.status < 400:
        return _redirected(reply)
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else ""}
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else error.get("code")
    message = clean(str(error.get("message") or f"status {reply.status}"))[:_MAX_MESSAGE_CHARACTERS]
    if _NO_CREDIT in message:
        return Failure(FailureKind.SPEND_LIMIT, message)
    by_status = FailureKind.SERVER_ERROR if reply.status >= 500 else FailureKind.BAD_REQUEST
    kind = (
        _KIND_OF_CODE.get(str(code))
        or _KIND_OF_STATUS.get(reply.status)
        or _KIND_OF_TYPE.get(str(error.get("type")))
        or by_status
    )
    return Failure(kind, message, retry_after_s(reply.headers))


def bounded_name(value: Any) -> str:
    """A name from a reply as it may be stored: a visible string of at most 200 characters; empty for anything else."""
    return clean(value)[:_MAX_NAME_CHARACTERS] if isinstance(value, str) else ""


def token_counts(usage: Any, *names: str, told: tuple[str, ...] = ()) -> tuple[int, ...] | None:
    """Counts of tokens from a reply, 0 where one is null or absent.

    None when one is no count at all, or when one that has to be `told` is null or absent.
    """
    if isinstance(usage, dict) and any(usage.get(name) is None for name in told):
        return None
    counts = tuple(usage.get(name) or 0 for name in names) if isinstance(usage, dict) else ()
    whole = all(type(count) is int and 0 <= count <= _MOST_TOKENS for count in counts)
    return counts if counts and whole else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait a reply asks for: `retry-after-ms`, or `retry-after` as seconds or as a date; None when absent."""
    try:
        if "retry-after-ms" in headers:
            return _finite(float(headers["retry-after-ms"]) / 1_000)
        if "retry-after" not in headers:
            return None
        return _finite(float(headers["retry-after"]))
    except ValueError:
        return _seconds_until(headers.get("retry-after", ""), headers.get("date", ""))


def _finite(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise ValueError(f"no time to wait: {seconds}")
    return max(0.0, seconds)


def _seconds_until(date: str, now: str) -> float | None:
    try:
        start = parsedate_to_datetime(now) if now else datetime.now(UTC)
        return max(0.0, (parsedate_to_datetime(date) - start).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _redirected(reply: HttpReply) -> Failure:
    target = bounded_name(reply.headers.get("location")) or "an address that it does not name"
    return Failure(
        FailureKind.REDIRECTED,
        f"it answers {reply.status} and wants to go to {target}; nothing is sent there: if that is right, make it the "
        "base URL",
    )


def _usage(usage: Any) -> Usage | None:
    told = ("input_tokens", "output_tokens")
    counts = token_counts(usage, *told, "cache_read_input_tokens", "cache_creation_input_tokens", told=told)
    if counts is None:
        return None
    fresh, output, read, write = counts
    return Usage(fresh, output, read, write, requests=1)


def _text_of(block: Any) -> str:
    if isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str):
        return str(block["text"])
    return ""


def _stop_detail(stop_reason: str, details: Any) -> str:
    if isinstance(details, dict) and details.get("category"):
        return f"{stop_reason} ({details['category']})"
    return stop_reason

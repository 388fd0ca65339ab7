"""The error that every failed call raises, read from the rich status that the server sends."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn, Self, TypeVar

import grpc
from google.rpc import error_details_pb2, status_pb2

T = TypeVar("T")

_DETAILS_KEY = "grpc-status-details-bin"

# What grpc.aio makes of a call that the server ended while we were sending: the real status is lost.
_ENDED_WHILE_SENDING = "Internal error from Core"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong field of a request: its path (`batch.items[3].text`) and what is wrong with it."""

    field: str
    description: str


class NextlabelError(Exception):
    """A call that the service refused or that did not reach it.

    `code` is the gRPC status. `reason` is a stable identifier to branch on (`BUDGET_EXHAUSTED`), empty when the
    answer did not come from a nextlabel server. `violations` are the wrong fields of the request. `resource` is
    what was not found or exists already, `quota` the limit that was reached. `retry_after_s` is the time in
    seconds after which the server suggests to try again; None when waiting does not help. `reference` finds the call
    in the server's log; empty when the server never had it.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        violations: tuple[FieldViolation, ...] = (),
        resource: str = "",
        quota: str = "",
        retry_after_s: float | None = None,
        reference: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.violations = violations
        self.resource = resource
        self.quota = quota
        self.retry_after_s = retry_after_s
        self.reference = reference


class Parts:
    """What goes out in several messages of one call, so that errors name an element by its place among all of them.

    `field` is the path of the elements in a message (`input.texts.texts`), where each message counts them from 0.
    Messages are answered in order, a response each, so that those before the refused one are the answered ones.
    """

    def __init__(self, field: str) -> None:
        self.answered = 0
        self._sizes: list[int] = []
        self._element = re.compile(rf"(?<![\w.])({re.escape(field)}\[)(\d+)(?=])")

    def of(self, parts: Iterable[list[T]]) -> Iterator[list[T]]:
        """The parts, noted as they go out."""
        for part in parts:
            self._sizes.append(len(part))
            yield part

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NextlabelError):
            error.message = self._placed(error.message)
            error.args = (error.message,)
            error.violations = tuple(FieldViolation(self._placed(v.field), v.description) for v in error.violations)

    def _placed(self, text: str) -> str:
        before = sum(self._sizes[: self.answered])
        return self._element.sub(lambda found: f"{found[1]}{before + int(found[2])}", text)


class ClosedError(RuntimeError):
    """A call of a client that was closed before."""

    def __init__(self) -> None:
        super().__init__("the client is closed; connect again")


def nextlabel_error(error: grpc.aio.AioRpcError, server: str, reference: str = "") -> NextlabelError:
    """What a failed call to `server` means; details that this client does not know are passed over.

    `reference` is what the call was made under; the error has it where the service answered.
    """
    status = _status(error)
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    resource = error_details_pb2.ResourceInfo()
    quota = error_details_pb2.QuotaFailure()
    retry = error_details_pb2.RetryInfo()
    has_retry = False
    for detail in status.details:
        unpacked = [detail.Unpack(m) for m in (info, bad_request, resource, quota, retry)]
        has_retry = has_retry or unpacked[-1]
    return NextlabelError(
        error.code(),
        _message(error, server, from_service=bool(info.reason)),
        reason=info.reason,
        violations=tuple(FieldViolation(v.field, v.description) for v in bad_request.field_violations),
        resource=f"{resource.resource_type}/{resource.resource_name}" if resource.resource_name else "",
        quota=quota.violations[0].subject if quota.violations else "",
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if has_retry else None,
        reference=reference if info.reason else "",
    )


def may_resume(error: grpc.aio.AioRpcError) -> bool:
    """Whether a stream that ended with `error` may be opened again: the server went away or was restarted."""
    return error.code() is grpc.StatusCode.UNAVAILABLE or cut_off(error) or ended_while_sending(error)


def cut_off(error: grpc.aio.AioRpcError) -> bool:
    """Whether the server ended the call because it ends itself, before or while it worked on it.

    gRPC answers so what has reached a server just before it says that it takes nothing more. What is cancelled on this
    side ends in asyncio's CancelledError instead.
    """
    return error.code() is grpc.StatusCode.CANCELLED


def ended_while_sending(error: grpc.aio.AioRpcError) -> bool:
    """Whether gRPC says only that a message could not be sent any more, and not how the call ended."""
    return error.code() is grpc.StatusCode.INTERNAL and error.details() == _ENDED_WHILE_SENDING


def raise_from(error: grpc.aio.AioRpcError, server: str, reference: str = "") -> NoReturn:
    """Raise the NextlabelError that stands for `error`."""
    raise nextlabel_error(error, server, reference) from None


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _message(error: grpc.aio.AioRpcError, server: str, *, from_service: bool) -> str:
    details = error.details() or error.code().name
    if from_service:
        return details
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return (
            f"no answer from the nextlabel server at {server} ({details}); "
            "check the address, whether TLS or a client certificate is wanted, and that `nextlabel serve` runs there"
        )
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"the server at {server} did not answer in time; allow it more (timeout_s, or --timeout) or try again"
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return f"the server at {server} is of another version than this client: it lacks this call; update one of them"
    if ended_while_sending(error):
        return f"the server at {server} ended the call before everything was sent; try again"
    return details

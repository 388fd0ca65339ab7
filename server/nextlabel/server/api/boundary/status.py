"""The one place where an error becomes a `google.rpc.Status`.

What the domain raises is written for callers and passes, cut to a size that fits response headers. Anything else is a
fault of the server: the caller gets a reference, the log gets the rest.
"""

import errno
from collections.abc import Mapping

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from nextlabel.server.api.boundary.admission import OverdueRequestError
from nextlabel.server.values import errors

ERROR_DOMAIN = "nextlabel"

# Headers are limited to 8 KiB by default, and text is sent twice: percent-encoded (up to 3x) and in base64 (4/3x).
_MESSAGE_BYTES = 1_000
_TEXT_BYTES = 200
_MAX_VIOLATIONS = 8

# Most specific first; the last entry covers every DomainError.
_CODES: tuple[tuple[type[errors.DomainError], code_pb2.Code], ...] = (
    (errors.InvalidArgument, code_pb2.INVALID_ARGUMENT),
    (errors.NotFound, code_pb2.NOT_FOUND),
    (errors.AlreadyExists, code_pb2.ALREADY_EXISTS),
    (errors.FailedPrecondition, code_pb2.FAILED_PRECONDITION),
    (errors.ResourceExhausted, code_pb2.RESOURCE_EXHAUSTED),
    (errors.PermissionDenied, code_pb2.PERMISSION_DENIED),
    (errors.Unauthenticated, code_pb2.UNAUTHENTICATED),
    (errors.Aborted, code_pb2.ABORTED),
    (errors.Unavailable, code_pb2.UNAVAILABLE),
    (errors.NotImplementedYet, code_pb2.UNIMPLEMENTED),
    (errors.DataLoss, code_pb2.DATA_LOSS),
    (errors.DomainError, code_pb2.INTERNAL),
)


class ServerDeadlineError(Exception):
    """A call without a deadline ran into the server's own, in seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"took longer than {seconds:g} s")


def is_fault(error: Exception) -> bool:
    """True for errors that are the server's fault: callers get a reference, the log gets the rest."""
    return not isinstance(error, errors.DomainError | NotImplementedError | ServerDeadlineError | OverdueRequestError)


def error_status(error: Exception, method: str, reference: str) -> status_pb2.Status:
    """Return the status of any error that ended a call of `method`; `reference` finds the call in the log."""
    if isinstance(error, errors.DomainError):
        return _domain_status(error)
    if isinstance(error, NotImplementedError):
        message = f"{method} is part of the API, and this version of the server does not offer it yet"
        return _domain_status(errors.NotImplementedYet(message))
    if isinstance(error, ServerDeadlineError):
        message = f"the call took longer than the {error.seconds:g} s allowed to calls without a deadline"
        return _status(code_pb2.DEADLINE_EXCEEDED, message, "DEADLINE_EXCEEDED")
    if isinstance(error, OverdueRequestError):
        message = f"no request came within {error.seconds:g} s of the beginning of the call; send it with the call"
        return _status(code_pb2.DEADLINE_EXCEEDED, message, "REQUEST_OVERDUE")
    if isinstance(error, OSError) and (refused := _of_the_machine(error)):
        return _domain_status(refused)
    message = f"internal error; the server's log has the details under reference {reference}"
    return _status(code_pb2.INTERNAL, message, "INTERNAL")


def _of_the_machine(error: OSError) -> errors.DomainError | None:
    """What the operator has to see to; None where that does not follow from the error."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return errors.Unavailable(
            "the server has as many files open as the system lets it; raise the limit (ulimit -n), then repeat",
            reason="TOO_MANY_OPEN_FILES",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return errors.ResourceExhausted(
            "a disk of the server is full; free space, then repeat", quota="disk", reason="DISK_FULL"
        )
    return None


def _domain_status(error: errors.DomainError) -> status_pb2.Status:
    code = next(code for cls, code in _CODES if isinstance(error, cls))
    status = _status(code, error.message, error.reason, _metadata(error))
    status.details.extend(_packed(detail) for detail in _details(error))
    return status


def _status(
    code: code_pb2.Code, message: str, reason: str, metadata: Mapping[str, str] | None = None
) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN, metadata=metadata)
    return status_pb2.Status(code=code, message=_cut(message, _MESSAGE_BYTES), details=[_packed(info)])


def _metadata(error: errors.DomainError) -> dict[str, str]:
    if isinstance(error, errors.BudgetExhausted):
        return {"dimension": error.dimension.value, "limit": str(error.limit), "line": _cut(error.line, _TEXT_BYTES)}
    return {}


def _details(error: errors.DomainError) -> list[Message]:
    details: list[Message] = []
    if isinstance(error, errors.InvalidArgument):
        details.append(_bad_request(error))
    if isinstance(error, errors.ResourceError):
        details.append(
            error_details_pb2.ResourceInfo(
                resource_type=error.resource_type, resource_name=_cut(error.resource_name, _TEXT_BYTES)
            )
        )
    if isinstance(error, errors.ResourceExhausted):
        violation = error_details_pb2.QuotaFailure.Violation(
            subject=error.quota, description=_cut(error.message, _TEXT_BYTES)
        )
        details.append(error_details_pb2.QuotaFailure(violations=[violation]))
    if isinstance(error, errors.ResourceExhausted | errors.Unavailable) and error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details


def _bad_request(error: errors.InvalidArgument) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=_cut(violation.field, _TEXT_BYTES), description=_cut(violation.description, _TEXT_BYTES)
            )
            for violation in error.violations[:_MAX_VIOLATIONS]
        ]
    )


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _cut(text: str, limit: int) -> str:
    """Return `text` within `limit` bytes of UTF-8, an ellipsis at the end if something is missing."""
    encoded = text[: limit + 1].encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode(errors="ignore") + "…"

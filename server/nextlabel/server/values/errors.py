# ruff: noqa: N818  (the classes carry the names of the gRPC status codes)
"""The errors that the domain raises.

Every error is data: a stable `reason` (UPPER_SNAKE, for `google.rpc.ErrorInfo`), a message written for the
caller, and what the API layer needs to add the matching detail message. No transport is imported here; the
API layer maps the classes in one place. Messages reach users: they name the field or resource, the allowed
values or limit, and what to do, and never a class name or a path of the server.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from nextlabel.server.values.money.costs import BudgetDimension

_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong field of a request: its path (`batch.size`, `items[3].text`) and what is wrong with it."""

    field: str
    description: str


class DomainError(Exception):
    """Base of all errors a caller may see.

    `reason` is a stable identifier that programs may branch on; `message` is for people and may change.
    """

    default_reason = "INTERNAL"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        self.message = message
        self.reason = reason or self.default_reason
        if not _REASON.fullmatch(self.reason):
            raise ValueError(f"reason must be UPPER_SNAKE of at most 63 characters, got {self.reason!r}")
        super().__init__(message)

    def __str__(self) -> str:
        return self.message


class InvalidArgument(DomainError):
    """The request is wrong whatever the state of the system; `violations` says which fields and why."""

    default_reason = "INVALID_ARGUMENT"

    def __init__(self, violations: Sequence[tuple[str, str] | FieldViolation], *, reason: str | None = None) -> None:
        self.violations = tuple(v if isinstance(v, FieldViolation) else FieldViolation(*v) for v in violations)
        if not self.violations:
            raise ValueError("InvalidArgument needs at least one field violation")
        message = "; ".join(f"{v.field}: {v.description}" for v in self.violations)
        super().__init__(message, reason=reason)

    @classmethod
    def field(cls, path: str, description: str, *, reason: str | None = None) -> "InvalidArgument":
        """The common case of one wrong field."""
        return cls([(path, description)], reason=reason)


class ResourceError(DomainError):
    """An error about one named resource, such as `project` / `projects/news`; `usual` says it where no message does."""

    usual: ClassVar[str]

    def __init__(
        self, resource_type: str, resource_name: str, *, message: str | None = None, reason: str | None = None
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        super().__init__(message or f"{resource_type} {resource_name!r} {self.usual}", reason=reason)


class NotFound(ResourceError):
    """The resource does not exist, or the caller may not know that it does."""

    default_reason = "NOT_FOUND"
    usual = "not found"


class AlreadyExists(ResourceError):
    """A resource of that name exists already, with other content."""

    default_reason = "ALREADY_EXISTS"
    usual = "already exists; choose another name"


class FailedPrecondition(DomainError):
    """The state of the system forbids the call until something else is done; the message says what."""

    default_reason = "FAILED_PRECONDITION"


class ResourceExhausted(DomainError):
    """A limit is reached. `retry_after_s` is None when waiting does not help; `quota` names the limit."""

    default_reason = "RESOURCE_EXHAUSTED"

    def __init__(
        self,
        message: str,
        *,
        quota: str,
        retry_after_s: float | None = None,
        reason: str | None = None,
    ) -> None:
        self.quota = quota
        self.retry_after_s = retry_after_s
        super().__init__(message, reason=reason)


class BudgetExhausted(ResourceExhausted):
    """A reservation would exceed a budget. Raising the budget helps, waiting does not.

    `limit` counts in the unit of `dimension`. `line` is the budget line that refused, for example
    `annotation` or `acquisition`.
    """

    default_reason = "BUDGET_EXHAUSTED"

    def __init__(self, dimension: BudgetDimension, limit: int, *, line: str = "", message: str | None = None) -> None:
        self.dimension = dimension
        self.limit = limit
        self.line = line
        where = f" of line {line!r}" if line else ""
        super().__init__(
            message or f"the budget{where} of {dimension.shown(limit)} is used up; raise it to go on",
            quota=f"budget/{dimension.value}",
        )


class PermissionDenied(DomainError):
    """The caller is known, and may not do this."""

    default_reason = "PERMISSION_DENIED"


class Unauthenticated(DomainError):
    """No valid credentials came with the call."""

    default_reason = "UNAUTHENTICATED"


class Aborted(DomainError):
    """A concurrent change won; repeating the whole read-modify-write may succeed."""

    default_reason = "ABORTED"


class Unavailable(DomainError):
    """Something the call needs is not reachable now; repeating the call later may succeed."""

    default_reason = "UNAVAILABLE"

    def __init__(self, message: str, *, retry_after_s: float | None = None, reason: str | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, reason=reason)


class AnnotatorStopped(FailedPrecondition):
    """An annotator cannot go on with any item; `reason` says why, the message what an operator can do.

    Reasons: `ANNOTATOR_SPEND_LIMIT` (the provider's own limit), `ANNOTATOR_RATE_LIMITED` (told to wait for long),
    `ANNOTATOR_SCHEMA` (the endpoint ignores structured output), `ANNOTATOR_CREDENTIALS`, `ANNOTATOR_MODEL`,
    `ANNOTATOR_INVALID_RATE` (the circuit breaker opened), `ANNOTATOR_OBEYS_DATA` (it obeyed canary items),
    `ANNOTATOR_OVERRUN` (a reply used more than was set aside), `ANNOTATOR_OTHER_MODEL` (another one answered),
    `ANNOTATOR_REDIRECTED`, `ANNOTATOR_TLS`, `ANNOTATOR_ADDRESS` (where it leads is not allowed),
    `ANNOTATOR_BATCH_UNAVAILABLE`, `ANNOTATOR_BATCH_REFUSED`, `ANNOTATOR_RESULTS_HOST` (message batches),
    `RUN_STOPPED` (nothing new is to begin).
    """

    default_reason = "ANNOTATOR_STOPPED"


class NotImplementedYet(DomainError):
    """The contract names this call or option, and this server does not offer it."""

    default_reason = "NOT_IMPLEMENTED"


class DataLoss(DomainError):
    """Stored data is damaged or missing and cannot be repaired by repeating the call."""

    default_reason = "DATA_LOSS"

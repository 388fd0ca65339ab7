"""What the doctor finds."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from nextlabel.server.values.errors import DomainError


class Status(StrEnum):
    """How serious a finding is; a failure means that the server would not work as it should."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what was found."""

    name: str
    status: Status
    message: str


def guarded(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Pass a check's findings on; what keeps it from looking is a failure too."""
    try:
        yield from check()
    except (DomainError, OSError, sqlite3.Error) as error:
        yield fail(name, str(error))


def ok(name: str, message: str) -> Check:
    """Return a finding that all is well."""
    return Check(name, Status.OK, message)


def warn(name: str, message: str) -> Check:
    """Return a finding that somebody should look at."""
    return Check(name, Status.WARNING, message)


def fail(name: str, message: str) -> Check:
    """Return a finding that keeps the server from working as it should."""
    return Check(name, Status.FAILURE, message)

"""The one place that tells users what went wrong."""

import sys
from collections.abc import Iterable

from nextlabel.client.cli.extras import INSTALL_SERVER
from nextlabel.client.cli.output.terminal import printable

FAILED = 1
BUDGET_EXHAUSTED = 3

MAX_LISTED = 20
"""How many of many similar problems are printed."""


def say(message: str) -> None:
    """Tell the user something on stderr, so that stdout stays clean for machines."""
    print(printable(message), file=sys.stderr)  # noqa: T201


def complain(error: Exception) -> int:
    """Print what went wrong, where, and what to do; returns the exit code."""
    say(f"error: {_message(error)}")
    return _exit_code(error)


def list_problems(problems: Iterable[str], count: int, what: str) -> None:
    """Print the first of `count` problems, and how many more there are."""
    if count == 0:
        return
    say(f"{what}: {count:,}")
    listed = 0
    for problem in problems:
        if listed == MAX_LISTED:
            break
        say(f"  {problem}")
        listed += 1
    if count > listed:
        say(f"  … and {count - listed:,} more")


def _message(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed; {INSTALL_SERVER}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    if _is_nextlabel_error(error):
        return _service_message(error)
    if isinstance(error, ValueError | OSError | TypeError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; run again with --debug and report what it shows"


def _service_message(error: Exception) -> str:
    from nextlabel.client.errors import NextlabelError

    assert isinstance(error, NextlabelError)
    lines = [error.message]
    lines += [
        f"  {violation.field}: {violation.description}"
        for violation in error.violations
        if violation.field not in error.message
    ]
    if error.reason in ("CREDENTIALS_MISSING", "TOKEN_INVALID"):
        lines.append("  give one with --token, NEXTLABEL_TOKEN or a profile")
    if error.retry_after_s is not None:
        lines.append(f"  try again in {error.retry_after_s:g} s")
    if error.reference and error.reference not in error.message:
        lines.append(f"  reference: {error.reference}")
    return "\n".join(lines)


def _exit_code(error: Exception) -> int:
    if _is_nextlabel_error(error) and getattr(error, "reason", "") == "BUDGET_EXHAUSTED":
        return BUDGET_EXHAUSTED
    return FAILED


def _is_nextlabel_error(error: Exception) -> bool:
    """Whether the service sent the error; importing its class would load gRPC for every usage error."""
    loaded = sys.modules.get("nextlabel.client.errors")
    return loaded is not None and isinstance(error, loaded.NextlabelError)

"""How a command of the server says what went wrong: one line on standard error, no traceback."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from nextlabel.client.cli.problems import say

P = ParamSpec("P")
R = TypeVar("R")


def reported(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the errors that users can act on into a message and exit code 1 (2 for wrong settings or arguments)."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except Exception as error:
            code = said(error)
            if code is None:
                raise
            raise typer.Exit(code) from error

    return run


def said(error: Exception) -> int | None:
    """Say an expected error and return its exit code; None for one that is a defect."""
    code = _exit_code(error)
    if code is not None:
        say(f"error: {error}")
    return code


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an expected error, None for one that is a defect."""
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("nextlabel"):
        error.msg = f"{error.name} is not installed; run: pip install 'nextlabel[server]'"
        error.args = (error.msg,)
        return 1
    from nextlabel.server.settings.settings import SettingsError
    from nextlabel.server.system.addresses import BindError
    from nextlabel.server.values.errors import DomainError, InvalidArgument

    if isinstance(error, (SettingsError, InvalidArgument)):
        return 2
    return 1 if isinstance(error, (DomainError, BindError)) else None

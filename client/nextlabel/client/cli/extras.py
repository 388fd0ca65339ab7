"""Commands of other parts of the distribution, found by their entry points."""

from collections.abc import Callable
from typing import Any

import typer

from nextlabel.client.cli.catalogue import SERVER

INSTALL_SERVER = "install it with: pip install 'nextlabel[server]'"

ENTRY_POINTS = "nextlabel.commands"

_PASS_ALL = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def offered_command(name: str) -> Any:
    """The command of this name that an installed part offers, as typer runs it.

    A command of the server that cannot be loaded says, when it runs, what is missing and how to install it. None for
    a name that nobody offers.
    """
    # It takes longer to import than the help page to show.
    from importlib.metadata import entry_points

    reason = "it is not installed"
    for entry_point in entry_points(group=ENTRY_POINTS):
        try:
            offered = entry_point.load()()
        except ImportError as error:
            reason = str(error)
            continue
        for found, _, command in offered:
            if found == name:
                return runnable(name, command)
    if name not in SERVER:
        return None
    return runnable(name, _missing(name, reason), context_settings=_PASS_ALL)


def runnable(name: str, command: typer.Typer | Callable[..., Any], **settings: Any) -> Any:
    """The command as typer runs it: a group when it is an application, else a single command with these settings."""
    parent = typer.Typer(add_completion=False)
    parent.callback()(lambda: None)
    if isinstance(command, typer.Typer):
        parent.add_typer(command, name=name)
    else:
        parent.command(name, **settings)(command)
    return typer.main.get_group(parent).commands[name]


def _missing(name: str, reason: str) -> Callable[[], None]:
    def missing() -> None:
        raise ValueError(f"`nextlabel {name}` needs the server ({reason}); {INSTALL_SERVER}")

    return missing

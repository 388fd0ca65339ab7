"""Commands of other parts of the distribution, found by their entry points."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import typer

INSTALL_SERVER = "install it with: pip install 'nextlabel[server]'"

ENTRY_POINTS = "nextlabel.commands"

_SERVER_COMMANDS = {
    "serve": "Run the server.",
    "demo": "See the main job run on bundled data.",
    "simulate": "Compare strategies on your data, with error bars.",
    "doctor": "Check an installation and a data directory.",
    "backup": "Back up a data directory while it is served.",
    "restore": "Restore a backup.",
    "local-llm": "Serve a small LLM on this machine.",
}

_PASS_ALL = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def mount_extras(app: typer.Typer) -> None:
    """Add the commands that installed parts offer; those of a missing server say how to install it."""
    mounted = set()
    reason = "it is not installed"
    for entry_point in entry_points(group=ENTRY_POINTS):
        try:
            offered = entry_point.load()()
        except ImportError as error:
            reason = str(error)
            continue
        for name, summary, command in offered:
            _mount(app, name, summary, command)
            mounted.add(name)
    for name, summary in _SERVER_COMMANDS.items():
        if name not in mounted:
            app.command(name, help=f"{summary} (needs the server extra)", context_settings=_PASS_ALL)(
                _missing(name, reason)
            )


def _mount(app: typer.Typer, name: str, summary: str, command: typer.Typer | Callable[..., Any]) -> None:
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, help=summary)
    else:
        app.command(name)(command)


def _missing(name: str, reason: str) -> Callable[[], None]:
    def missing() -> None:
        raise ValueError(f"`nextlabel {name}` needs the server ({reason}); {INSTALL_SERVER}")

    return missing

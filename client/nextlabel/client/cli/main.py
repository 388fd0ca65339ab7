"""The application: global options, the commands, and the way in."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nextlabel.client.cli.catalogue import OWN
from nextlabel.client.cli.group import LazyGroup
from nextlabel.client.cli.problems import complain
from nextlabel.client.cli.session import Session

EPILOG = """
Begin with `nextlabel auto`, from a file to a labeled file, or with `nextlabel serve` and its pages.
Exit codes: 0 done; 1 failed, or some items were not taken; 2 wrong usage; 3 a budget is used up.
Global options may stand before or after the command. NO_COLOR turns colours off.
"""

_GLOBAL_VALUES = frozenset({"--server", "--token", "--profile", "--ca", "--certificate", "--key", "--timeout"})
_GLOBAL_FLAGS = frozenset({"--tls", "--insecure", "--debug"})


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nextlabel {version('nextlabel')}")
        raise typer.Exit


def root(
    ctx: typer.Context,
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Server to call; else NEXTLABEL_SERVER, else the profile.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Bearer token; else NEXTLABEL_TOKEN, else that of the profile.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Section of ~/.config/nextlabel/profiles.toml to use.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt; trusts public authorities.")] = False,
    ca: Annotated[Path | None, typer.Option(help="Certificate authority to trust (PEM); implies --tls.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Own certificate for mutual TLS (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Key of the own certificate (PEM).")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow a token to go to another machine unencrypted.")
    ] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Deadline of each short call.")] = 30.0,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Which item is worth a label next, who should give it, and what did it buy?"""
    ctx.obj = Session(
        server=server,
        token=token,
        profile=profile,
        tls=tls,
        ca=ca,
        certificate=certificate,
        key=key,
        insecure=insecure,
        timeout_s=timeout,
    )


def spelled(name: str) -> str:
    """A name of an option or of one of its choices in the spelling that all spellings of it share.

    >>> spelled("multi_label"), spelled("Multi-Label")
    ('multi-label', 'multi-label')
    """
    return name.lower().replace("_", "-")


def build_app() -> typer.Typer:
    """The whole command line; each command is imported when it is called."""
    app = typer.Typer(
        name="nextlabel",
        cls=LazyGroup,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": spelled},
        epilog=EPILOG,
    )
    app.callback()(root)
    return app


def globals_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global options before the command, wherever they stood.

    >>> globals_first(["pool", "status", "news", "--server", "host:1", "--debug"])
    ['--server', 'host:1', '--debug', 'pool', 'status', 'news']

    What follows `--`, and the options of commands that are not ours, stay where they are.
    """
    first = next((argument for argument in arguments if not argument.startswith("-")), "")
    if first not in OWN:
        return list(arguments)
    ahead: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument in _GLOBAL_FLAGS or (argument.partition("=")[0] in _GLOBAL_VALUES and "=" in argument):
            ahead.append(argument)
        elif argument in _GLOBAL_VALUES:
            ahead += [argument, *([value] if (value := next(remaining, None)) is not None else [])]
        else:
            rest.append(argument)
    return ahead + rest


def _open_closed_streams() -> None:
    """Have a program that was started without input or output read nothing, or write nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _open_closed_streams()
    try:
        build_app()(globals_first(arguments), prog_name="nextlabel")
    except Exception as error:
        if "--debug" in arguments:
            raise
        sys.exit(complain(error))

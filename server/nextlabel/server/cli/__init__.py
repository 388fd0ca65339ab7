"""Commands that need the server extra. What is heavy is imported when a command runs, not when it is listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nextlabel.server.cli.auto import auto
from nextlabel.server.cli.backup import backup, backups, restore
from nextlabel.server.cli.demo import demo
from nextlabel.server.cli.doctor import doctor
from nextlabel.server.cli.local_llm import local_llm
from nextlabel.server.cli.serve import serve
from nextlabel.server.cli.simulate import simulate
from nextlabel.server.cli.tune_encoder import tune_encoder
from nextlabel.server.cli.tune_local import tune_local
from nextlabel.server.cli.web import web


def commands() -> Sequence[tuple[str, str, Callable[..., Any]]]:
    """Return (name, one-line help, typer function) of every command."""
    functions: dict[str, Callable[..., Any]] = {
        "auto": auto,
        "serve": serve,
        "web": web,
        "demo": demo,
        "simulate": simulate,
        "doctor": doctor,
        "backup": backup,
        "restore": restore,
        "backups": backups,
        "local-llm": local_llm,
        "tune-local": tune_local,
        "tune-encoder": tune_encoder,
    }
    return [(name, (function.__doc__ or "").partition("\n")[0], function) for name, function in functions.items()]

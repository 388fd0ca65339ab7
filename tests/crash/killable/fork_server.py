"""Starts servers as forks of a process that has imported everything, so that a start costs no imports.

Reads a line of JSON for each server, its settings as `load_settings` takes them, the file for its log and maybe that of
its fail points, and answers `{"pid": …}` at once and `{"pid": …, "port": …}` when it serves. What runs in a fork is
what `nextlabel serve` runs.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from nextlabel.server.api.boundary.logs import configure_logs
from nextlabel.server.app import serve
from nextlabel.server.settings.settings import load_settings
from nextlabel.server.system.event_loop import run
from tests.crash.killable.fail_points import FailPoints, arm

# Loaded at first use by a server; here once for all of them.
_AT_FIRST_USE = (
    "alembic.command",
    "nextlabel.server.store.sql.postgres",
    "nextlabel.server.store.sql.sqlite",
    "skops.io",
    "sklearn.linear_model",
    "sklearn.model_selection",
)


def main() -> None:
    for name in _AT_FIRST_USE:
        importlib.import_module(name)
    # The kernel takes dead servers away by itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _serve(json.loads(line))
        _say({"pid": pid})


def _serve(order: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    try:
        settings = load_settings(order["settings"])
        configure_logs(settings.log.level, settings.log.format)
        if order["fail_points"]:
            arm(FailPoints(Path(order["fail_points"])))
        run(serve(settings, lambda port, _: _say({"pid": os.getpid(), "port": port})))
        code = 0
    except BaseException as error:  # noqa: BLE001  (a fork must never go on as its parent)
        print(f"server ended: {error!r}", file=sys.stderr, flush=True)
    os._exit(code)


def _say(answer: dict[str, int]) -> None:
    # One short write: answers of several processes do not mix.
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()

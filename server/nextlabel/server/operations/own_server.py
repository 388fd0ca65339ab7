"""A server of its own process for as long as a block runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ERROR = "error: "
STOP_S = 120.0
"""How long a server may take to end in order."""


@dataclass(frozen=True, slots=True)
class OwnServer:
    """Where the server listens, and the URL of its pages, '' without them."""

    address: str
    pages: str


class ServerDiedError(ChildProcessError):
    """The server ended before it served; the message is what it last said."""


@contextlib.contextmanager
def own_server(
    data_dir: Path, environment: dict[str, str] | None = None, *, pages: bool = False
) -> Iterator[OwnServer]:
    """Start `nextlabel serve` on a free loopback port, yield where it is, and stop it in order; it never outlives us.

    Raises:
        ServerDiedError: it could not start.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    log_path = data_dir / "server.log"
    command = [sys.executable, "-m", "nextlabel.server.operations.tied", "serve"]
    command += ["--data-dir", str(data_dir), "--bind", "127.0.0.1:0"]
    command += ["--web", "127.0.0.1:0"] if pages else ["--no-web"]
    with log_path.open("ab") as log:
        begins = log.tell()
        server = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **(environment or {})},
            text=True,
        )
    # Without this a SIGTERM to the command would leave its server behind.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        address = _last_word(server, log_path, begins)
        yield OwnServer(address, _last_word(server, log_path, begins) if pages else "")
    finally:
        signal.signal(signal.SIGTERM, before)
        server.terminate()
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            # It loses nothing that was acknowledged.
            server.kill()
            server.wait()
        for pipe in (server.stdin, server.stdout):
            if pipe:
                pipe.close()


def _last_word(server: subprocess.Popen[str], log_path: Path, begins: int) -> str:
    """Wait for a line of the server; its last word says where it listens. Its log begins at a byte of the file."""
    line = server.stdout.readline() if server.stdout else ""
    if not line:
        server.wait()
        raise ServerDiedError(f"the server did not start: {_why(log_path.read_bytes()[begins:])}")
    return line.rsplit(" ", 1)[-1].strip()


def _why(log: bytes) -> str:
    """Return the error that a server ended with, else the end of its log."""
    said = log.decode(errors="replace").strip()
    errors = [line for line in said.splitlines() if line.startswith(_ERROR)]
    return errors[-1].removeprefix(_ERROR) if errors else said[-800:]

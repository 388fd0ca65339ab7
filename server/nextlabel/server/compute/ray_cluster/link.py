"""The server's end: the helper process, and one connection to it for each job."""

from __future__ import annotations

import json
import os
import pickle
import re
import secrets
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any, Literal

from nextlabel.server.system.folders import remove_folder

START_S = 90.0
"""How long joining or starting a cluster may take."""

SILENCE_S = 30.0
"""How long the helper may say nothing about a job; it speaks every second."""

_END_S = 15
_STOP_S = 1
_ROOM_FOR_SOCKETS = 24  # Ray's sockets lie 65 characters below its folder, and may have 107

_RAY_PREFIX = re.compile(r"^\[[^\]]*\]( \S+:\d+:)? ")


class ClusterLost(Exception):  # noqa: N818 -- what happened
    """The cluster cannot be reached or used; the message says why."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What a process of the cluster could not compute, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Died:
    """The process that computed on a part is gone; another one is given the part."""


@dataclass(frozen=True, slots=True)
class PickledWork:
    """Work and the parts to do it on, pickled, and where each part is at home, or nothing."""

    work: bytes
    parts: Sequence[bytes]
    homes: Sequence[int] = ()


class Link:
    """A running helper, of use once it has joined. Safe to use from several threads.

    ``address`` is that of a cluster; for '' the helper starts one, and ends it when it ends.
    """

    def __init__(self, address: str, workers: int | None) -> None:
        self.width = 1
        self._settings = {"address": address, "workers": workers}
        self._folder = Path(tempfile.mkdtemp(prefix="nlray-", dir=_short_folder()))
        self._key = secrets.token_bytes(32)
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
        if not address:
            # Ray listens on every interface, and who may speak to it may run anything.
            environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self._log = (self._folder / "helper.log").open("wb")
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "nextlabel.server.compute.ray_cluster.helper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,
        )
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._given, self._told = self._helper.stdin, self._helper.stdout
        self._stopped = False

    def join(self) -> None:
        """Wait until the helper has joined the cluster; afterwards ``width`` says how many processes compute.

        Raises:
            ClusterLost: there is no cluster that can be joined or started.
        """
        own = {"folder": str(self._folder / "ray"), "socket": self.socket, "key": self._key.hex()}
        said = self._said(json.dumps(self._settings | own) + "\n")
        if "width" not in said:
            raise ClusterLost(said.get("failed") or self._last_words() or "it did not start")
        self.width = max(1, int(said["width"]))

    @property
    def socket(self) -> str:
        """Where the helper takes jobs."""
        return str(self._folder / "jobs")

    @property
    def alive(self) -> bool:
        """Whether the helper runs."""
        return self._helper.poll() is None

    def run(
        self, job: PickledWork, by: Literal["processors", "gpus", "one"], wanted: Callable[[], bool] = lambda: True
    ) -> Iterator[Any]:
        """Yield (number of a part, its result or `Unfinished`) as they come, and `Died` before, where that happens.

        A process that does the whole job alone (``one``) is ended when this is left, or no longer ``wanted``.

        Raises:
            ClusterLost: the cluster or the helper is gone, or silent.
        """
        try:
            with Client(self.socket, authkey=self._key) as connection:
                connection.send((job.homes, job.parts, by))
                connection.send_bytes(job.work)
                left = len(job.parts)
                while left and wanted():
                    told = _received(connection.poll, connection.recv)
                    if told is None:
                        continue
                    number, well = told
                    if well is None:
                        yield number, Died()
                        continue
                    result = _received(connection.poll, connection.recv_bytes)
                    if number < 0:
                        raise ClusterLost(result.decode(errors="replace"))
                    left -= 1
                    # The helper is our own process, the cluster one that this server was told to trust.
                    yield number, pickle.loads(result) if well else Unfinished(result.decode(errors="replace"))  # noqa: S301
        except (OSError, EOFError) as error:
            raise ClusterLost(self._last_words() or "the connection to it broke") from error

    def stop(self) -> None:
        """Have the helper end once it has joined; whoever waits for that gives up, and nobody waits for the end.

        Ray that is ended while it starts a cluster leaves parts of it behind.
        """
        self._stopped = True
        with suppress(OSError):
            self._given.close()

    def close(self) -> None:
        """End the helper, with the cluster if it was started here."""
        with suppress(OSError):
            self._given.close()
        try:
            self._helper.wait(_STOP_S if self._stopped else _END_S)
        except subprocess.TimeoutExpired:
            if not self._stopped:
                self._helper.kill()
                self._helper.wait()
        if not self.alive:
            with suppress(OSError):
                remove_folder(self._folder)
        self._told.close()
        self._log.close()

    def _said(self, line: str) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            self._given.write(line.encode())
            self._given.flush()
        until = time.monotonic() + START_S
        while time.monotonic() < until and not self._stopped:
            # Ray itself writes to standard output, too.
            if select.select([self._told], [], [], 0.5)[0]:
                answer = self._told.readline()
                if not answer:
                    return {}
                if answer.startswith(b"{"):
                    found: dict[str, Any] = json.loads(answer)
                    return found
        return {"failed": f"it was not there within {START_S:.0f} s"}

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self._folder / "helper.log").read_text(errors="replace").splitlines()
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            return _RAY_PREFIX.sub("", last).partition(". ")[0]
        return ""


def _received(poll: Callable[[float], bool], receive: Callable[[], Any]) -> Any:
    if not poll(SILENCE_S):
        raise ClusterLost(f"it was silent for {SILENCE_S:.0f} s")
    return receive()


def _short_folder() -> str | None:
    return None if len(tempfile.gettempdir()) < _ROOM_FOR_SOCKETS else "/tmp"  # noqa: S108

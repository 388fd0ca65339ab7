"""One Ray cluster for all tests of a process: a head of its own, and two servers' ends that have joined it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from nextlabel.server.compute.ray_cluster.cluster import RayCluster

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Head:
    address: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """What ``ray stop --force`` does, to this cluster alone."""
        doomed = [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]
        for pid in doomed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


class Heads:
    """Starts a head for the first test, and another one for those that come after a test that has stopped it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nlray-", dir="/tmp", ignore_cleanup_errors=True)
        self._head: Head | None = None
        self.ends: dict[int, RayCluster] = {}

    def living(self) -> Head:
        if self._head is None or self._head.process.poll() is not None:
            self.leave()
            self._head = self._started()
            self.ends = {processes: RayCluster(self._head.address, processes, "refuse") for processes in (1, 2)}
            with ThreadPoolExecutor() as threads:
                list(threads.map(RayCluster.join, self.ends.values()))
        return self._head

    def leave(self) -> None:
        for end in self.ends.values():
            end.close()

    def close(self) -> None:
        self.leave()
        if self._head is not None and self._head.process.poll() is None:
            self._head.stop()
        self._folder.cleanup()

    def _started(self) -> Head:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        folder = tempfile.mkdtemp(dir=self._folder.name)
        options = {"port": port, "num-cpus": 3, "object-store-memory": 80 << 20, "node-ip-address": "127.0.0.1"}
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        command += ["--include-dashboard=false", f"--temp-dir={folder}"]
        command += [f"--{name}={value}" for name, value in options.items()]
        places = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
        with (Path(folder) / "start.log").open("wb") as log:
            process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": places}, stdout=log, stderr=log)
        return Head(f"127.0.0.1:{port}", process)


@pytest.fixture(scope="session")
def heads() -> Iterator[Heads]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # On a busy machine processes that give way to all others would not start in time.
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        found = Heads()
        yield found
        found.close()


@pytest.fixture
def head(heads: Heads) -> Head:
    return heads.living()


@pytest.fixture
def clusters(heads: Heads) -> dict[int, RayCluster]:
    """Ends of 1 and 2 processes."""
    heads.living()
    return heads.ends

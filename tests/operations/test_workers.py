"""Several worker processes: watched by a supervisor, on one port and one SQLite file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from nextlabel.client import connect, replay, run_spec
from nextlabel.server.settings.settings import SettingsError, load_settings
from nextlabel.v1 import run_service_pb2 as run_pb

# Workers that say who they are and wait for SIGTERM or the end of their supervisor; the second argument is the number
# of one that cannot start.
TRIVIAL = """
import os, select, signal, sys
import structlog
from nextlabel.server.system.worker_processes import Supervisor

def work(worker):
    if str(worker.number) == sys.argv[2]:
        return 3
    stopped, stop = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(stop, b"x"))
    say(f"worker {worker.number} {os.getpid()}")
    worker.ready(f"said {worker.number}")
    select.select([stopped, worker.lifeline], [], [])
    say(f"ended {worker.number}")
    return 0

def say(line):
    os.write(1, f"{line}\\n".encode())

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
sys.exit(Supervisor(int(sys.argv[1]), work).run(lambda said: say(f"ready {said}")))
"""
SERVE = "import sys; from nextlabel.client.cli import main; sys.argv = ['nextlabel', 'serve', *sys.argv[1:]]; main()"
READ_S = 60.0


@contextmanager
def supervised(count: int, failing: str = "none") -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", TRIVIAL, str(count), failing]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def words(process: subprocess.Popen[bytes]) -> list[str]:
    """The words of the next line."""
    assert process.stdout is not None
    return process.stdout.readline().decode().split()


def started(process: subprocess.Popen[bytes], count: int) -> dict[str, int]:
    """The process ids of the workers by their numbers, once all are ready."""
    lines = [words(process) for _ in range(count + 1)]
    assert lines[-1] == ["ready", "said", "0"]
    assert lines[0][:2] == ["worker", "0"], "the first starts alone"
    return {number: int(pid) for _, number, pid in lines[:-1]}


def test_a_killed_worker_is_begun_again_and_a_stop_ends_all():
    with supervised(3) as process:
        pids = started(process, 3)
        os.kill(pids["1"], signal.SIGKILL)
        _, number, pid = words(process)
        assert number == "1"
        assert int(pid) not in pids.values()
        process.send_signal(signal.SIGTERM)
        assert sorted(words(process) for _ in range(3)) == [["ended", str(n)] for n in range(3)]
        assert process.wait(READ_S) == 0


def test_workers_end_with_a_killed_supervisor():
    with supervised(2) as process:
        started(process, 2)
        process.kill()
        assert sorted(words(process) for _ in range(2)) == [["ended", "0"], ["ended", "1"]]
        assert words(process) == [], "nobody has the output open any more"


@pytest.mark.parametrize("failing", ["0", "1"])
def test_a_worker_that_cannot_start_ends_all_with_its_exit_code(failing: str):
    with supervised(2, failing) as process:
        assert process.wait(READ_S) == 3
        assert process.stdout is not None
        assert b"ready" not in process.stdout.read()


def test_what_cannot_be_shared_is_refused_with_a_sentence():
    with pytest.raises(SettingsError, match="several workers need a port"):
        load_settings({"bind": "unix:/tmp/x.sock", "workers": 2})
    with pytest.raises(SettingsError, match=r"metrics.bind=127.0.0.1:65535: each of 2 workers has a port of its own"):
        load_settings({"metrics": {"bind": "127.0.0.1:65535"}, "workers": 2})


@contextmanager
def served(data_dir: Path, workers: int) -> Iterator[tuple[psutil.Process, str]]:
    command = [sys.executable, "-c", SERVE, "--data-dir", str(data_dir), "--bind", "127.0.0.1:0", "--no-web"]
    with subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert f"with {workers} workers" in line
        try:
            yield psutil.Process(server.pid), line.split()[-1]
            server.send_signal(signal.SIGTERM)
            assert server.wait(READ_S) == 0
        finally:
            server.kill()


def test_killed_workers_lose_nothing_that_was_acknowledged_and_a_run_goes_on(tmp_path: Path):
    ids = [f"item-{n}" for n in range(200)]
    embeddings = np.random.default_rng(0).normal(size=(len(ids), 4)).astype(np.float16)
    with served(tmp_path / "data", 2) as (server, address), connect(address) as client:
        client.projects.create("p", labels=["good", "bad"], embeddings_given=True, dimension=4)
        client.labeling.upload_replay_labels("p", "truth", dict.fromkeys(ids, "good"))
        client.pool.add("p", [{"id": i, "text": i} for i in ids[:100]], embeddings=embeddings[:100])
        run = client.runs.start("p", run_spec(replay("truth"), batch_size=5, budget_labels=40, strategy="random"))
        for first, worker in zip((100, 150), server.children(), strict=True):
            worker.kill()
            part = slice(first, first + 50)
            added = client.pool.add("p", [{"id": i, "text": i} for i in ids[part]], embeddings=embeddings[part])
            assert (added.accepted, added.rejected) == (50 - added.resumed - added.duplicates, 0)
        ended = run.wait()
        assert ended.stop_reason == run_pb.STOP_REASON_BUDGET
        assert len(list(client.labeling.annotations("p"))) == 40
        assert client.pool.status("p").counts.pool == 200

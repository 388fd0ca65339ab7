"""Concurrent annotators against one project: lease+submit cycles a second, and items on too many leases.

    python -m benchmarks.speed.leases --annotators 64 --seconds 20
    python -m benchmarks.speed.leases --annotators 64 --seconds 20 --store postgres --servers 2
    python -m benchmarks.speed.leases --annotators 64 --seconds 20 --store workers --servers 2

Servers and annotators are processes of their own that talk over TCP; on PostgreSQL several servers share a database,
as ``workers`` several share a SQLite file, and the annotators are spread over them. Each annotator leases ten items,
answers them in one call and begins again. Picks are selected beforehand, so that this measures leases and answers and
not strategies; with ``--on-demand`` the server selects when nothing is open. ``--profile FILE`` writes what py-spy sees
of the first server, if it is installed. What empty calls between two processes reach stands beside the figures. An item
that more annotators hold at a time than the overlap allows makes the exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.speed.bare_grpc import calls_a_second
from nextlabel.client import AsyncClient, connect_async
from nextlabel.v1.annotation_pb2 import Answer, SingleLabel
from nextlabel.v1.labeling_service_pb2 import SubmittedAnnotation
from tests.crash.killable.servers import launcher
from tests.crash.kills import new_servers
from tests.crash.workloads.history import CLASSES, DIMENSION

PROJECT = "leases"
BATCH = 10
SELECT = 10_000
ANSWER = Answer(single_label=SingleLabel(label=CLASSES[0]))


@dataclass(slots=True)
class Load:
    """What the annotators did. Latencies are seconds of one call."""

    overlap: int
    cycles: int = 0
    annotations: int = 0
    violations: int = 0
    holders: Counter[str] = field(default_factory=Counter)
    lease_s: list[float] = field(default_factory=list)
    submit_s: list[float] = field(default_factory=list)
    empty: int = 0

    async def annotate(self, client: AsyncClient, name: str, until: float) -> None:
        """Lease and answer until a time."""
        while time.monotonic() < until:
            began = time.monotonic()
            lease = await client.labeling.lease(PROJECT, annotator=name, count=BATCH)
            leased = time.monotonic()
            ids = [item.item.id for item in lease.items]
            if not ids:
                self.empty += 1
                return
            self.holders.update(ids)
            self.violations += sum(self.holders[i] > self.overlap for i in ids)
            answers = [SubmittedAnnotation(item_id=i, answer=ANSWER) for i in ids]
            # The server may give the items away as soon as it has the answers.
            self.holders.subtract(ids)
            results = await client.labeling.submit(PROJECT, answers, annotator=name, lease_id=lease.lease_id)
            self.cycles += 1
            self.annotations += len(results)
            self.lease_s.append(leased - began)
            self.submit_s.append(time.monotonic() - leased)


@dataclass(frozen=True, slots=True)
class Cores:
    """CPU seconds for each second that passed; those of SQLite are the servers' own."""

    servers: float
    annotators: float
    postgres: float


async def measure(options: argparse.Namespace, folder: Path) -> tuple[Load, Cores]:
    """Return the load, and what it took."""
    load = Load(options.overlap)
    with new_servers(options.store, folder, options.servers) as (servers, _):
        async with launcher() as launched, contextlib.AsyncExitStack() as stack:
            for server in servers:
                await launched.start(server)
            addresses = [servers[i % len(servers)].address for i in range(options.channels)]
            clients = [await stack.enter_async_context(connect_async(address)) for address in addresses]
            await _prepare(clients[0], options)
            processes = [server.pid for server in servers], [os.getpid()], processes_of_postgres(folder)
            before = [cpu_of(pids) for pids in processes]
            began = time.monotonic()
            until = began + options.seconds
            names = [f"annotator-{i}" for i in range(options.annotators)]
            with _profiled(servers[0].pid, options):
                await asyncio.gather(*(load.annotate(clients[i % len(clients)], n, until) for i, n in enumerate(names)))
            passed = time.monotonic() - began
            used = [(cpu_of(pids) - earlier) / passed for pids, earlier in zip(processes, before, strict=True)]
            load.violations += await _too_often(clients[0], options.overlap)
    return load, Cores(*used)


async def _prepare(client: AsyncClient, options: argparse.Namespace) -> None:
    await client.projects.create(
        PROJECT, labels=CLASSES, embeddings_given=True, dimension=DIMENSION, overlap=options.overlap
    )
    rng = np.random.default_rng(0)
    items = [{"id": f"item-{i}", "text": f"text {i}"} for i in range(options.items)]
    await client.pool.add(PROJECT, items, embeddings=rng.normal(size=(len(items), DIMENSION)).astype(np.float16))
    for at in range(0, 0 if options.on_demand else options.items, SELECT):
        await client.labeling.select(PROJECT, min(SELECT, options.items - at), strategy="random", seed=at)


async def _too_often(client: AsyncClient, overlap: int) -> int:
    """Count the items that have more annotations than the overlap asks for."""
    seen = Counter([a.item_id async for a in client.labeling.annotations(PROJECT)])
    return sum(n > overlap for n in seen.values())


def processes_of_postgres(folder: Path) -> list[int]:
    """Return the processes of the PostgreSQL server that has its data in a folder, none without one."""
    found = list(folder.rglob("postmaster.pid"))
    main = [psutil.Process(int(path.read_text().split()[0])) for path in found]
    return [process.pid for parent in main for process in (parent, *parent.children(recursive=True))]


def cpu_of(pids: Sequence[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(t.user + t.system for t in times))


@contextlib.contextmanager
def _profiled(pid: int, options: argparse.Namespace) -> Iterator[None]:
    if options.profile is None:
        yield
        return
    program = shutil.which("py-spy")
    if program is None:
        raise SystemExit("py-spy is not installed: pip install py-spy")
    command = [program, "record", "--pid", str(pid), "--output", str(options.profile), "--format", "raw", "--gil"]
    spy = subprocess.Popen([*command, "--duration", str(max(1, int(options.seconds) - 2))])
    try:
        yield
    finally:
        spy.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotators", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--overlap", type=int, default=2)
    parser.add_argument("--channels", type=int, default=4)
    parser.add_argument("--store", choices=("sqlite", "workers", "postgres"), default="sqlite")
    parser.add_argument("--servers", type=int, default=2, help="how many share PostgreSQL or, as workers, SQLite")
    parser.add_argument("--on-demand", action="store_true")
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nextlabel-leases-") as folder:
        load, cores = asyncio.run(measure(options, Path(folder)))
    print(f"{load.cycles} cycles, {load.annotations} annotations: {load.cycles / options.seconds:.0f} cycles/s")
    for name, seconds in (("lease", load.lease_s), ("submit", load.submit_s)):
        p50, p99 = np.percentile(seconds, [50, 99]) * 1_000
        print(f"{name} p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    bare = calls_a_second(options.annotators, 5.0, options.channels)
    print(f"bare grpc.aio: {bare:.0f} empty calls/s, so at most {bare / 2:.0f} cycles/s")
    a_cycle = options.seconds / max(1, load.cycles) * 1_000
    print(
        f"cores used: servers {cores.servers:.2f}, PostgreSQL {cores.postgres:.2f}, annotators {cores.annotators:.2f}"
    )
    print(f"CPU a cycle: servers {cores.servers * a_cycle:.1f} ms, PostgreSQL {cores.postgres * a_cycle:.1f} ms")
    print(f"{load.empty} annotators ran out of items; {load.violations} items on more leases than the overlap")
    sys.exit(1 if load.violations else 0)


if __name__ == "__main__":
    main()

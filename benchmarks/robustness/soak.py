"""Mixed load on one server for a long time: does it grow, and does it stay quick?

    python -m benchmarks.robustness.soak --minutes 30

Uploads, leases, answers, training, runs, projects that come and go, predictions and watchers that leave, all at once.
Every ten seconds the server's resident memory, file descriptors, threads and connections are read, and the
latency of a small call. The first fifth of the time is for warming up. The exit code is 1 when, after it, the median of
the last fifth is above that of the second one: memory by more than a tenth and 32 MiB, the rest by more than a tenth
and 8.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from nextlabel.client import AsyncClient, NextlabelError, connect_async
from tests.crash.killable.servers import Server, free_address, launcher
from tests.crash.workloads.history import CLASSES, DIMENSION, ProjectHistory, embeddings_of
from tests.crash.workloads.workload import Workload

PROJECT_S = 60.0
SAMPLE_S = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment. Memory is in MiB."""

    memory: float
    descriptors: float
    threads: float
    connections: float


@dataclass(slots=True)
class Soak:
    """What was measured; latencies are seconds of a call that reads one small record."""

    samples: list[Sample] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    operations: int = 0
    defects: list[str] = field(default_factory=list)

    def growth(self) -> list[str]:
        """Return what has grown from the second fifth of the samples to the last."""
        fifth = max(1, len(self.samples) // 5)
        grown = []
        for name in (f.name for f in fields(Sample)):
            early = median(getattr(s, name) for s in self.samples[fifth : 2 * fifth])
            late = median(getattr(s, name) for s in self.samples[-fifth:])
            if late > early * 1.1 and late > early + (32 if name == "memory" else 8):
                grown.append(f"{name} grew from {early:.0f} to {late:.0f}")
        return grown


async def soak(minutes: float, seed: int, folder: Path) -> Soak:
    """Load a server of its own in a folder of its own."""
    seen = Soak()
    settings = {
        "data_dir": str(folder / "data"),
        "bind": free_address(),
        "compute": {"threads": 1},
        "log": {"level": "error", "format": "json"},
    }
    server = Server("soak", settings, folder / "server.log")
    async with launcher() as launched, contextlib.AsyncExitStack() as stack:
        await launched.start(server)
        clients = [await stack.enter_async_context(connect_async(server.address)) for _ in range(2)]
        sampling = asyncio.create_task(_sample(server, clients[0], seen))
        until = time.monotonic() + minutes * 60
        number = 0
        while time.monotonic() < until:
            number += 1
            left = min(PROJECT_S, until - time.monotonic())
            await _one_project(server, clients, f"soak-{number}", left, random.Random(f"{seed}/{number}"), seen)
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
    return seen


async def _one_project(
    server: Server, clients: list[AsyncClient], name: str, seconds: float, rng: random.Random, seen: Soak
) -> None:
    workload = Workload(clients, [server.address], ProjectHistory(name), rng)
    tasks = [asyncio.create_task(workload.run()), asyncio.create_task(_watch_and_predict(clients[0], name))]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await workload.delete()
    seen.operations += workload.counts.total()
    seen.defects += workload.defects


async def _watch_and_predict(client: AsyncClient, name: str) -> None:
    """Predict, and open watches that are left after a moment."""
    while True:
        with contextlib.suppress(NextlabelError, TimeoutError):
            await client.learner.predict(name, embeddings=embeddings_of(["one", "two"]), candidates=len(CLASSES))
            async with asyncio.timeout(1.0):
                async for _ in client.pool.watch(name):
                    pass
        await asyncio.sleep(0.2)


async def _sample(server: Server, client: AsyncClient, seen: Soak) -> None:
    process = psutil.Process(server.pid)
    await client.projects.create("probe", labels=CLASSES, embeddings_given=True, dimension=DIMENSION)
    next_sample = time.monotonic()
    while True:
        began = time.monotonic()
        await client.budgets.get("probe", "labels")
        seen.latencies.append(time.monotonic() - began)
        if began >= next_sample:
            next_sample = began + SAMPLE_S
            memory = float(process.memory_info().rss) / 2**20
            seen.samples.append(
                Sample(memory, process.num_fds(), process.num_threads(), len(process.net_connections()))
            )
        await asyncio.sleep(0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nextlabel-soak-") as folder:
        seen = asyncio.run(soak(options.minutes, options.seed, Path(folder)))
    p50, p99 = np.percentile(seen.latencies, [50, 99]) * 1_000
    print(f"{seen.operations} operations in {options.minutes:g} minutes; small call p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    for name in (f.name for f in fields(Sample)):
        values = [getattr(sample, name) for sample in seen.samples]
        print(f"{name}: {values[0]:.0f} at first, {median(values):.0f} median, {values[-1]:.0f} at last")
    problems = seen.growth() + seen.defects[:20]
    for problem in problems:
        print(f"DEFECT {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

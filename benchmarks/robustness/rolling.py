"""Restarts servers one after the other under clients, and kills those that drive a run.

    python -m benchmarks.robustness.rolling --rounds 3
    python -m benchmarks.robustness.rolling --fail-overs 9

Three servers on one PostgreSQL. First each in turn gets SIGTERM, ends, and is started again, while clients upload,
lease, answer, read and follow runs: no call of the Python client may fail. Then the server that drives a run is killed
(SIGKILL), again and again. The exit code is 1 when a call failed, or it took more than ten seconds until another server
had recorded an event of the run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from nextlabel.client import AsyncClient, NextlabelError, connect_async, replay, run_spec
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.postgres import lock_key
from tests.crash.killable.servers import Launcher, Server, kill, launcher
from tests.crash.kills import new_servers
from tests.crash.workloads.history import CLASSES, DIMENSION, REPLAY_SET, answer_of, embeddings_of, label_of, text_of

PROJECT = "rolling"
LONGEST_FAIL_OVER_S = 10.0
_ITEMS = [f"item-{i}" for i in range(4_000)]
_POLL_S = 0.02


@dataclass(slots=True)
class Calls:
    """What clients did, how long the slowest call took, and what failed, in words."""

    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    async def repeat(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        """Call again and again until cancelled."""
        while True:
            began = time.monotonic()
            try:
                await call()
                self.done[name] += 1
            except NextlabelError as error:
                self.failed.append(f"{name}: {error.code.name} {error.message}")
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            await asyncio.sleep(_POLL_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1, help="how often each server is restarted")
    parser.add_argument("--fail-overs", type=int, default=6, help="how many kills of the server that drives a run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nextlabel-rolling-") as folder:
        failed = asyncio.run(_all(options, Path(folder)))
    sys.exit(1 if failed else 0)


async def _all(options: argparse.Namespace, folder: Path) -> bool:
    with new_servers("postgres", folder, options.servers) as (servers, url):
        for server in servers:
            server.settings["store"]["url"] = f"{url}&application_name={server.name}"
        engine = sa.create_engine(url)
        async with launcher() as launched:
            for server in servers:
                await launched.start(server)
            # Calls go to the first address that answers, and to the next one when it ends.
            every = "ipv4:" + ",".join(server.address for server in servers)
            async with connect_async(every) as client:
                await _prepare(client)
                calls = await _restarts(launched, servers, every, options.rounds)
                print(f"restarts: {options.rounds} of each of {len(servers)} servers, {calls.done.total()} calls")
                print(f"  {dict(calls.done)}, the slowest {calls.slowest_s:.1f} s, {len(calls.failed)} failed")
                for each in sorted(set(calls.failed)):
                    print(f"  FAILED {each}")
                found = await _fail_overs(launched, servers, client, engine, options.fail_overs)
        engine.dispose()
    print(f"fail-overs: {len(found)}, seconds until another server drives the run, and has recorded an event")
    for taken_over in found:
        print(f"  {taken_over.driven_s:.1f} {taken_over.recorded_s:.1f}")
    return bool(calls.failed) or any(one.recorded_s > LONGEST_FAIL_OVER_S for one in found)


async def _prepare(client: AsyncClient) -> None:
    await client.projects.create(PROJECT, labels=CLASSES, embeddings_given=True, dimension=DIMENSION, overlap=3)
    await client.labeling.upload_replay_labels(PROJECT, REPLAY_SET, {i: label_of(i) for i in _ITEMS})
    rows = [{"id": i, "text": text_of(i)} for i in _ITEMS]
    await client.pool.add(PROJECT, rows, embeddings=embeddings_of(_ITEMS))


async def _restarts(launched: Launcher, servers: Sequence[Server], every: str, rounds: int) -> Calls:
    """Restart each server in turn, while as many clients work as there are servers."""
    calls = Calls()
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        tasks = []
        for number in range(len(servers)):
            client = await stack.enter_async_context(connect_async(every))
            for name, call in _work(client, f"person-{number}").items():
                tasks.append(group.create_task(calls.repeat(name, call)))
        for server in [*servers] * rounds:
            await asyncio.sleep(1.0)
            await kill(server, signal.SIGTERM)
            await launched.start(server)
        await asyncio.sleep(1.0)
        for task in tasks:
            task.cancel()
    return calls


def _work(client: AsyncClient, person: str) -> dict[str, Callable[[], Awaitable[None]]]:
    """The calls of one client, by what they do."""

    async def upload() -> None:
        ids = [f"{uuid.uuid4().hex}-{i}" for i in range(50)]
        rows = [{"id": i, "text": text_of(i)} for i in ids]
        await client.pool.add(PROJECT, rows, embeddings=embeddings_of(ids))

    async def answer() -> None:
        lease = await client.labeling.lease(PROJECT, annotator=person, count=5)
        answers = {leased.item.id: answer_of(leased.item.id, person) for leased in lease.items}
        await client.labeling.submit(PROJECT, answers, annotator=person, lease_id=lease.lease_id)

    async def read() -> None:
        await client.projects.get(PROJECT)

    async def follow() -> None:
        """Watch a run from its beginning to its end."""
        spec = run_spec(replay(REPLAY_SET), batch_size=5, budget_labels=20, strategy="random")
        started = await client.runs.start(PROJECT, spec)
        async for _ in started.watch():
            pass

    return {"upload": upload, "lease and answer": answer, "read": read, "run": follow}


@dataclass(frozen=True, slots=True)
class FailOver:
    """Seconds from the kill of the server that drove a run until another one drives it, and has recorded something."""

    driven_s: float
    recorded_s: float


async def _fail_overs(
    launched: Launcher, servers: Sequence[Server], client: AsyncClient, engine: sa.Engine, kills: int
) -> list[FailOver]:
    """Kill the server that drives one long run, again and again."""
    spec = run_spec(replay(REPLAY_SET), batch_size=1, budget_labels=len(_ITEMS), strategy="random")
    started = await client.runs.start(PROJECT, spec)
    found = []
    for _ in range(kills):
        while not (driver := await asyncio.to_thread(_driver, engine, started.run_id)):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        await asyncio.sleep(1.0)
        victim = next(server for server in servers if server.name == driver)
        await kill(victim)
        began, events = time.monotonic(), await asyncio.to_thread(_events, engine, started.run_id)
        while await asyncio.to_thread(_driver, engine, started.run_id) in ("", driver):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        driven_s = time.monotonic() - began
        while await asyncio.to_thread(_events, engine, started.run_id) == events:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        found.append(FailOver(driven_s, time.monotonic() - began))
        await launched.start(victim)
    await started.stop()
    return found


def _driver(engine: sa.Engine, run_id: str) -> str:
    """Return the name of the server whose session holds a run's lock, '' for none."""
    holder = sa.text(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) | objid::bigint = :key"
    )
    with engine.connect() as connection:
        return str(connection.scalar(holder, {"key": lock_key(f"run/{run_id}")}) or "")


def _events(engine: sa.Engine, run_id: str) -> int:
    of_run = sa.select(sa.func.count()).where(schema.run_events.c.run == run_id)
    with engine.connect() as connection:
        return int(connection.scalar(of_run) or 0)


if __name__ == "__main__":
    main()

"""Kills servers at random moments under the workload, and audits what is left after each kill."""

from __future__ import annotations

import asyncio
import contextlib
import random
import string
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from nextlabel.client import connect_async
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from tests.crash.audits.audit import audit
from tests.crash.killable.bucket import KillableBucket, killable_bucket
from tests.crash.killable.servers import Launcher, Server, free_address, kill, launcher, postgres
from tests.crash.workloads.history import ProjectHistory
from tests.crash.workloads.workload import Workload


@dataclass(frozen=True, slots=True)
class Plan:
    """How many kills, on which store, and after how many of them a new project begins. Times are in seconds.

    On PostgreSQL, and as ``workers``, there are several ``servers``. The pool is in the data directory unless
    ``pool_url`` names another place; with ``bucket`` it is in one whose S3 server is killed, too.
    """

    kills: int
    store: str
    seed: int
    pool_url: str = ""
    servers: int = 2
    bucket: bool = False
    kills_a_project: int = 25
    longest_life_s: float = 1.6
    longest_absence_s: float = 3.0


@dataclass(slots=True)
class Outcome:
    """What happened: acknowledged operations by kind, and everything that should not have."""

    kills: int = 0
    bucket_kills: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Stage:
    """What a plan is carried out on."""

    plan: Plan
    rng: random.Random
    launched: Launcher
    servers: Sequence[Server]
    bucket: KillableBucket | None
    engine: sa.Engine


async def run_kills(plan: Plan, folder: Path) -> Outcome:
    """Carry a plan out in a folder of its own."""
    outcome = Outcome()
    began = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        bucket = await stack.enter_async_context(killable_bucket()) if plan.bucket else None
        pool_url = bucket.url if bucket else plan.pool_url
        servers, url = stack.enter_context(new_servers(plan.store, folder, plan.servers, pool_url))
        launched = await stack.enter_async_context(launcher())
        for server in servers:
            await launched.start(server)
        stage = _Stage(plan, random.Random(plan.seed), launched, servers, bucket, sa.create_engine(url))
        epoch = 0
        while outcome.kills < plan.kills and not outcome.breaches:
            epoch += 1
            await _project(stage, outcome, f"epoch-{epoch}")
        stage.engine.dispose()
    outcome.seconds = time.monotonic() - began
    return outcome


async def _project(stage: _Stage, outcome: Outcome, name: str) -> None:
    """Work on one project through some kills, then let the work end and delete it."""
    plan, rng, servers = stage.plan, stage.rng, stage.servers
    history = ProjectHistory(name)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect_async(s.address, timeout_s=10.0)) for s in servers]
        workload = Workload(clients, [s.address for s in servers], history, random.Random(rng.random()))
        work = asyncio.create_task(workload.run())
        for _ in range(min(plan.kills_a_project, plan.kills - outcome.kills)):
            await asyncio.sleep(rng.uniform(0.05, plan.longest_life_s))
            outcome.breaches += await _kill_one(stage, outcome, history)
            outcome.breaches += [*workload.defects]
            if work.done():
                await work
            if outcome.breaches:
                break
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        outcome.counts += workload.counts
        print(f"{name}: {outcome.kills} kills, {len(outcome.breaches)} breaches", file=sys.stderr, flush=True)
        outcome.breaches += await _audited(stage, history)
        if not outcome.breaches:
            await workload.delete()


async def _kill_one(stage: _Stage, outcome: Outcome, history: ProjectHistory) -> list[str]:
    """Kill something, start it again, and return the breaches that were found in between."""
    victims: list[Server | None] = [*stage.servers, *([None] if stage.bucket else [])]
    victim = stage.rng.choice(victims)
    outcome.kills += 1
    if victim is None:
        assert stage.bucket is not None
        outcome.bucket_kills += 1
        await stage.bucket.kill()
        await asyncio.sleep(stage.rng.uniform(0.0, stage.plan.longest_absence_s))
        await stage.bucket.start()
        return await _audited(stage, history)
    await kill(victim)
    breaches = await _audited(stage, history)
    await stage.launched.start(victim)
    return breaches


async def _audited(stage: _Stage, history: ProjectHistory) -> list[str]:
    pool = LancePoolStore(stage.servers[0].settings["store"]["pool_url"])
    return await asyncio.to_thread(audit, stage.engine, pool, history)


@contextlib.contextmanager
def new_servers(store: str, folder: Path, shared_by: int = 2, pool_url: str = "") -> Iterator[tuple[list[Server], str]]:
    """Yield one server on SQLite or several on what they share, not yet started, and the URL of their database.

    ``workers`` share a SQLite file, as those of `nextlabel serve --workers` do, here with an address each.
    """
    count = 1 if store == "sqlite" else shared_by
    with contextlib.ExitStack() as stack:
        if store == "postgres":
            url = stack.enter_context(postgres(folder / "postgres"))
        else:
            url = f"sqlite:///{folder / 'data' / 'state.db'}"
            (folder / "data").mkdir(parents=True, exist_ok=True)
        yield (
            [
                Server(
                    name,
                    {
                        "data_dir": str(folder / "data"),
                        "bind": free_address(),
                        "store": {"url": url, "pool_url": pool_url or str(folder / "data" / "pools")},
                        "workers": count if store == "workers" else 1,
                        "compute": {"threads": 1},
                        "log": {"level": "warning", "format": "json"},
                    },
                    folder / f"server-{name}.log",
                )
                for name in string.ascii_lowercase[:count]
            ],
            url,
        )

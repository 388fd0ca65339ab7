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
from tests.crash.killable.servers import Launcher, Server, free_address, kill, launcher, postgres
from tests.crash.workloads.history import ProjectHistory
from tests.crash.workloads.workload import Workload


@dataclass(frozen=True, slots=True)
class Plan:
    """How many kills, on which store, and after how many of them a new project begins. Times are in seconds.

    The pool is in the data directory unless ``pool_url`` names another place.
    """

    kills: int
    store: str
    seed: int
    pool_url: str = ""
    kills_a_project: int = 25
    longest_life_s: float = 1.6


@dataclass(slots=True)
class Outcome:
    """What happened: acknowledged operations by kind, and everything that should not have."""

    kills: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    seconds: float = 0.0


async def run_kills(plan: Plan, folder: Path) -> Outcome:
    """Carry a plan out in a folder of its own."""
    outcome = Outcome()
    began = time.monotonic()
    rng = random.Random(plan.seed)
    with new_servers(plan.store, folder, pool_url=plan.pool_url) as (servers, url):
        async with launcher() as launched:
            for server in servers:
                await launched.start(server)
            engine = sa.create_engine(url)
            epoch = 0
            while outcome.kills < plan.kills and not outcome.breaches:
                epoch += 1
                await _project(plan, rng, launched, servers, engine, outcome, f"epoch-{epoch}")
            engine.dispose()
    outcome.seconds = time.monotonic() - began
    return outcome


async def _project(
    plan: Plan,
    rng: random.Random,
    launched: Launcher,
    servers: Sequence[Server],
    engine: sa.Engine,
    outcome: Outcome,
    name: str,
) -> None:
    """Work on one project through some kills, then let the work end and delete it."""
    history = ProjectHistory(name)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect_async(s.address, timeout_s=10.0)) for s in servers]
        workload = Workload(clients, [s.address for s in servers], history, random.Random(rng.random()))
        work = asyncio.create_task(workload.run())
        for _ in range(min(plan.kills_a_project, plan.kills - outcome.kills)):
            await asyncio.sleep(rng.uniform(0.05, plan.longest_life_s))
            victim = rng.choice(servers)
            await kill(victim)
            outcome.kills += 1
            outcome.breaches += await _audited(engine, servers, history)
            await launched.start(victim)
            outcome.breaches += [*workload.defects]
            if work.done():
                await work
            if outcome.breaches:
                break
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        outcome.counts += workload.counts
        print(f"{name}: {outcome.kills} kills, {len(outcome.breaches)} breaches", file=sys.stderr, flush=True)
        outcome.breaches += await _audited(engine, servers, history)
        if not outcome.breaches:
            await workload.delete()


async def _audited(engine: sa.Engine, servers: Sequence[Server], history: ProjectHistory) -> list[str]:
    pool = LancePoolStore(servers[0].settings["store"]["pool_url"])
    return await asyncio.to_thread(audit, engine, pool, history)


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

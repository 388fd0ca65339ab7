"""Walks a script through a service whose servers die right before and right after every kind of commit."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import sqlalchemy as sa

from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.sql import schema
from tests.crash.audits.audit import audit
from tests.crash.killable.fail_points import FailPoints
from tests.crash.killable.servers import Launcher, Server, ServerEndedError, is_alive, launcher
from tests.crash.kills import new_servers
from tests.crash.workloads.history import ProjectHistory
from tests.crash.workloads.script import MODELS, SELECTED, Script

# A client that looks for the server again all the time: it is never away for long.
_AT_ONCE = [(f"grpc.{name}_reconnect_backoff_ms", 50) for name in ("initial", "min", "max")]


@dataclass(slots=True)
class Walked:
    """The points that have killed, in order, and everything that should not have happened."""

    points: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)


async def walk(store: str, folder: Path) -> Walked:
    """Carry the script out on SQLite with one server, or on PostgreSQL with two, in a folder of its own."""
    walked = Walked()
    points = FailPoints(folder / "fail-points")
    history = ProjectHistory("walk")
    pools = folder / "data" / "pools"
    with new_servers(store, folder) as (servers, url):
        engine = sa.create_engine(url)

        async def look() -> None:
            walked.breaches += await asyncio.to_thread(audit, engine, LancePoolStore(str(pools)), history)

        async def keep_running(launched: Launcher, server: Server) -> None:
            """Start a server whenever it is dead, and look at what it has left."""
            server.fail_points = folder / "fail-points"
            while not walked.breaches:
                with contextlib.suppress(ServerEndedError):
                    await launched.start(server)
                while is_alive(server.pid):  # noqa: ASYNC110  (the dead tell nobody)
                    await asyncio.sleep(0.02)
                await look()

        async with launcher() as launched:
            running = [asyncio.create_task(keep_running(launched, server)) for server in servers]
            async with grpc.aio.insecure_channel(servers[0].address, options=_AT_ONCE) as channel:
                script = Script(channel, history)
                work = asyncio.create_task(_script_and_removal(script, engine))
                await asyncio.wait([work, *running], return_when=asyncio.FIRST_COMPLETED)
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
                if work.done():
                    work.result()
                else:
                    work.cancel()
            await look()
        walked.breaches += script.defects
        if not walked.breaches:
            walked.breaches += _not_once(engine, pools)
        engine.dispose()
    walked.points = points.met()
    return walked


async def _script_and_removal(script: Script, engine: sa.Engine) -> None:
    """Run the script, and wait until what is left of the deleted project is dropped."""
    await script.run()
    dropped = sa.select(schema.deleted_projects.c.dropped)
    while True:
        with engine.connect() as connection:
            if all(connection.scalars(dropped)):
                return
        await asyncio.sleep(0.05)


def _not_once(engine: sa.Engine, pools: Path) -> list[str]:
    """Return what the finished script has left twice, or not taken away."""
    picks = schema.picks.c
    sizes = sa.select(sa.func.count()).where(picks.run == "").group_by(picks.batch)
    with engine.connect() as connection:
        models = connection.scalar(sa.select(sa.func.count()).select_from(schema.models))
        selected = [*connection.scalars(sizes)].count(SELECTED)
    wrong = [] if models == MODELS else [f"{MODELS} models were trained, {models} are there"]
    if selected != 1:
        wrong.append(f"one batch was selected by hand, {selected} are there")
    if len(list(pools.iterdir())) != 1:
        wrong.append("the pool of the deleted project is still there")
    return wrong

"""A walk over every kind of commit: the server dies right before and right after each; nothing is lost or doubled."""

import asyncio
import contextlib
from pathlib import Path

import grpc
import sqlalchemy as sa

from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.sql import schema
from tests.crash.audit import audit
from tests.crash.fail_points import FailPoints
from tests.crash.history import ProjectHistory
from tests.crash.script import MODELS, Script
from tests.crash.servers import Launcher, Server, ServerEndedError, free_address, is_alive, launcher

# A client that looks for the server again all the time: it is never away for long.
AT_ONCE = [(f"grpc.{name}_reconnect_backoff_ms", 50) for name in ("initial", "min", "max")]
CALLS = (
    "CreateProject",
    "UploadReplayLabels",
    "SetBudget",
    "SelectBatch",
    "LeaseItems",
    "ExtendLease",
    "SubmitAnnotations",
    "ReleaseLease",
    "Train",
    "StartRun",
    "DeleteItems",
    "DeleteProject",
    "CreateToken",
    "RevokeToken",
)
WORK = (
    "pool append_items",
    "pool append_embeddings",
    "pool delete",
    "pool drop",
    "Ingest._store_group",
    "Selector.select",
    "Rounds.select",
    "Rounds.annotate",
    "Rounds._annotate.flush",
    "Learning.train",
    "RunEngine._drive_exclusively",
    "Maintenance.tidy",
)


async def script_and_removal(script: Script, engine: sa.Engine) -> None:
    """Run the script, and wait until what is left of the deleted project is dropped."""
    await script.run()
    dropped = sa.select(schema.deleted_projects.c.dropped)
    while True:
        with engine.connect() as connection:
            if all(connection.scalars(dropped)):
                return
        await asyncio.sleep(0.05)


async def test_a_kill_before_or_after_any_commit_loses_and_doubles_nothing(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/data/state.db"
    points = FailPoints(tmp_path / "fail-points")
    settings = {
        "data_dir": str(tmp_path / "data"),
        "bind": free_address(),
        "store": {"url": url},
        "compute": {"threads": 1},
        "log": {"level": "warning", "format": "json"},
    }
    server = Server("a", settings, tmp_path / "server.log", fail_points=tmp_path / "fail-points")
    history = ProjectHistory("walk")
    engine = sa.create_engine(url)
    breaches: list[str] = []

    def look() -> None:
        breaches.extend(audit(engine, LancePoolStore(str(tmp_path / "data" / "pools")), history))

    async def keep_running(launched: Launcher) -> None:
        while not breaches:
            with contextlib.suppress(ServerEndedError):
                await launched.start(server)
            while is_alive(server.pid):  # noqa: ASYNC110  (the dead tell nobody)
                await asyncio.sleep(0.02)
            await asyncio.to_thread(look)

    async with launcher() as launched:
        running = asyncio.create_task(keep_running(launched))
        async with grpc.aio.insecure_channel(server.address, options=AT_ONCE) as channel:
            script = Script(channel, history)
            work = asyncio.create_task(script_and_removal(script, engine))
            await asyncio.wait([work, running], return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert breaches == []
            await work
        look()
    assert len(list((tmp_path / "data" / "pools").iterdir())) == 1, "the pool of the deleted project is still there"
    assert (breaches, script.defects) == ([], [])
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.models)) == MODELS
    engine.dispose()
    met = points.met()
    for moment in ("before", "after"):
        for name in (*(f"{call} " for call in CALLS), *WORK):
            assert any(point.startswith(moment) and name in point for point in met), (moment, name, met)

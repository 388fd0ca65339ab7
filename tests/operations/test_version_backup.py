"""Backups of a served directory whose pool is in a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from nextlabel.client import AsyncClient, connect_async
from nextlabel.server.app import running
from nextlabel.server.operations.backups import copying, databases
from nextlabel.server.operations.backups.databases import SqliteDatabase
from nextlabel.server.operations.backups.folder import BackupPlaces
from nextlabel.server.operations.backups.held_versions import hold_versions, put_versions_back
from nextlabel.server.settings.settings import load_settings
from nextlabel.server.store.lance_pool.pool_versions import PoolVersions
from nextlabel.server.values.errors import FailedPrecondition
from tests.operations.conftest import add, create, exit_code, item_ids
from tests.store.lance_pool.s3_servers import BUCKET, aws_environment, s3_server

URL = f"s3://{BUCKET}/pool"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with s3_server() as endpoint:
        for name, value in aws_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        yield


def served(data_dir: Path) -> AbstractAsyncContextManager[AsyncClient]:
    @asynccontextmanager
    async def serving():
        given = {"data_dir": data_dir, "bind": "127.0.0.1:0", "compute": {"threads": 1}, "store": {"pool_url": URL}}
        async with running(load_settings(given)) as port, connect_async(f"127.0.0.1:{port}") as client:
            yield client

    return serving()


@pytest.mark.usefixtures("bucket")
async def test_a_pool_in_a_bucket_is_put_back_as_it_was_when_the_backup_was_taken(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("NEXTLABEL_STORE__POOL_URL", URL)
    copy, restored = tmp_path / "copy", tmp_path / "restored"
    async with served(data_dir) as client:
        await create(client)
        await add(client, 0, 20)
        await create(client, "doomed")
        await add(client, 0, 20, "doomed")
        loop = asyncio.get_running_loop()
        copy_database = copying.copy_database

        def then_deleted(source: Path, target: Path) -> None:
            copy_database(source, target)
            monkeypatch.setattr(databases, "copy_database", copy_database)
            asyncio.run_coroutine_threadsafe(client.projects.delete("doomed"), loop).result()

        monkeypatch.setattr(databases, "copy_database", then_deleted)
        places = BackupPlaces.within(data_dir)
        held = await asyncio.to_thread(hold_versions, SqliteDatabase(places.database), places, data_dir, URL, copy)
        assert (held.projects, held.items, held.embeddings) == (1, 20, 20)
        await client.pool.delete("news", ["item3"])
        await add(client, 100, 5)
        with pytest.raises(FailedPrecondition, match="in use by process"):
            put_versions_back(copy, restored, replace_pool=True)

    def commands() -> None:
        assert exit_code("backups") == 0
        assert f"{held.name}  " in capsys.readouterr().out
        assert exit_code("restore", str(copy), "--data-dir", str(restored)) == 1
        assert "--replace-pool" in capsys.readouterr().err
        assert exit_code("restore", str(copy), "--data-dir", str(restored), "--replace-pool") == 0
        assert "1 projects, 20 items, 20 embeddings" in capsys.readouterr().out

    await asyncio.to_thread(commands)
    async with served(restored) as client:
        assert sorted(await item_ids(client)) == sorted(f"item{i}" for i in range(20))
        await add(client, 200, 5)

    def let_go() -> None:
        assert exit_code("backups", "--let-go", held.name) == 0
        assert "repeat the command in an hour" in capsys.readouterr().out
        PoolVersions(URL).let_go(held.name, timedelta(0))
        with pytest.raises(FailedPrecondition, match="let go"):
            put_versions_back(copy, tmp_path / "again", replace_pool=True)
        assert exit_code("backup", str(tmp_path / "whole"), "--data-dir", str(restored), "--copy") == 0
        assert "25 items, 25 embeddings" in capsys.readouterr().out
        assert exit_code("restore", str(tmp_path / "whole"), "--data-dir", str(tmp_path / "elsewhere")) == 0

    await asyncio.to_thread(let_go)

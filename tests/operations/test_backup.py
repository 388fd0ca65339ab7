import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nextlabel.server.operations.backups import copies, copying
from nextlabel.server.operations.backups.copies import back_up, put_back
from nextlabel.server.operations.backups.folder import MANIFEST, BackupPlaces
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.lockfile import DirectoryLock
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.values.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.ids import ProjectId
from tests.operations.conftest import Serving, add, create, exit_code, item_ids


@pytest.fixture
async def filled(serving: Serving, data_dir: Path) -> Path:
    """A data directory that was served, with a project of 300 items in three appends."""
    async with serving(data_dir) as client:
        await create(client)
        for first in (0, 100, 200):
            await add(client, first, 100)
    return data_dir


async def test_what_was_acknowledged_before_a_backup_of_a_busy_server_is_in_it(
    serving: Serving, data_dir: Path, tmp_path: Path
):
    async with serving(data_dir) as client:
        await create(client)
        await add(client, 0, 500)
        lease = await client.labeling.lease("news", annotator="ann", count=20)
        answers = {leased.item.id: "a" if i % 2 else "b" for i, leased in enumerate(lease.items)}
        await client.labeling.submit("news", answers, annotator="ann", lease_id=lease.lease_id)
        model = await client.learner.train("news")
        await client.budgets.set("news", "labels", 1_000)

        uploading = asyncio.create_task(_keep_adding(client))
        summary = await asyncio.to_thread(back_up, BackupPlaces.within(data_dir), tmp_path / "copy")
        uploading.cancel()
        await asyncio.gather(uploading, return_exceptions=True)
    assert summary.projects == 1
    assert summary.items >= 500

    put_back(tmp_path / "copy", tmp_path / "restored")
    async with serving(tmp_path / "restored") as client:
        ids = await item_ids(client)
        assert len(ids) == len(set(ids)) == summary.items
        assert {f"item{i}" for i in range(500)} <= set(ids)
        kept = {a.item_id: a.answer.single_label.label async for a in client.labeling.annotations("news")}
        assert kept == answers
        assert (await client.learner.version("news")).version == model.version
        assert (await client.learner.predict("news", item_ids=["item0"])).model_version == model.version
        assert (await client.budgets.get("news", "labels")).settled == 20
        await add(client, 10_000, 10)


async def _keep_adding(client):
    for first in range(1_000, 10_000, 50):
        await add(client, first, 50)


async def test_a_backup_is_copied_again_when_a_compaction_replaces_files_under_it(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    arrays = LancePoolStore(str(filled / "pools"), keep_versions=timedelta(0))
    [project] = [ProjectId(path.name) for path in (filled / "pools").iterdir()]
    copy_tree = copying.copy_tree
    compactions = 0

    def interrupted(source: Path, target: Path) -> None:
        nonlocal compactions
        copy_tree(source, target)
        if source.name == "_versions" and compactions == 0:
            compactions += 1
            arrays.compact(project)

    for module in (copying, copies):
        monkeypatch.setattr(module, "copy_tree", interrupted)
    assert back_up(BackupPlaces.within(filled), tmp_path / "copy").items == 300
    assert compactions == 1
    assert put_back(tmp_path / "copy", tmp_path / "restored").embeddings == 300


async def test_a_project_deleted_during_a_backup_is_not_in_it(
    serving: Serving, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with serving(filled) as client:
        await create(client, "stays")
        loop = asyncio.get_running_loop()
        copy_database = copying.copy_database
        deletions = 0

        def then_deleted(source: Path, target: Path) -> None:
            nonlocal deletions
            copy_database(source, target)
            if deletions == 0:
                deletions += 1
                asyncio.run_coroutine_threadsafe(client.projects.delete("news"), loop).result()

        monkeypatch.setattr(copies, "copy_database", then_deleted)
        summary = await asyncio.to_thread(back_up, BackupPlaces.within(filled), tmp_path / "copy")
    assert (summary.projects, summary.items) == (1, 0)


async def test_restore_leaves_a_directory_alone_that_holds_something_or_is_in_use(filled: Path, tmp_path: Path):
    back_up(BackupPlaces.within(filled), tmp_path / "copy")
    before = (filled / "state.db").read_bytes()
    with pytest.raises(FailedPrecondition, match="not empty"):
        put_back(tmp_path / "copy", filled)
    assert (filled / "state.db").read_bytes() == before

    held = DirectoryLock(tmp_path / "held")
    with pytest.raises(FailedPrecondition, match="in use by process"):
        put_back(tmp_path / "copy", tmp_path / "held")
    held.release()


async def test_an_unfinished_backup_is_refused(filled: Path, tmp_path: Path):
    back_up(BackupPlaces.within(filled), tmp_path / "copy")
    (tmp_path / "copy" / MANIFEST).unlink()
    with pytest.raises(InvalidArgument, match="not finished"):
        put_back(tmp_path / "copy", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("place", ["models/model", "models", "pools/data", "state.db"])
async def test_a_link_in_a_backup_is_not_followed(filled: Path, tmp_path: Path, place: str):
    back_up(BackupPlaces.within(filled), tmp_path / "copy")
    secret = tmp_path / "secret"
    secret.write_text("not part of the backup")
    link = tmp_path / "copy" / place
    if link.exists():
        link.rename(tmp_path / "moved")
        secret = tmp_path / "moved"
    link.symlink_to(secret)
    with pytest.raises(InvalidArgument, match="link"):
        put_back(tmp_path / "copy", tmp_path / "restored")
    assert not (tmp_path / "restored" / "state.db").exists()
    assert not (tmp_path / "restored" / place).exists()


@pytest.mark.parametrize("lost", ["pools/*/items.lance/data/*", "pools/*/embeddings.lance/data/*"])
async def test_a_backup_that_lost_a_file_makes_no_data_directory(filled: Path, tmp_path: Path, lost: str):
    back_up(BackupPlaces.within(filled), tmp_path / "copy")
    next((tmp_path / "copy").glob(lost)).unlink()
    with pytest.raises(DataLoss, match="the backup is damaged"):
        put_back(tmp_path / "copy", tmp_path / "restored")
    assert not (tmp_path / "restored" / "state.db").exists()


@pytest.mark.parametrize("part", ["embeddings.lance/data", "items.lance/data", "state.db", "SHA256SUMS"])
async def test_a_bit_that_flipped_in_a_backup_is_found(filled: Path, tmp_path: Path, part: str):
    copy = tmp_path / "copy"
    back_up(BackupPlaces.within(filled), copy)
    file = next(path for path in sorted(copy.rglob("*")) if path.is_file() and part in path.as_posix())
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(DataLoss, match="the backup is damaged"):
        put_back(copy, tmp_path / "restored")
    assert not (tmp_path / "restored" / "state.db").exists()


async def test_a_damaged_database_is_not_backed_up_as_if_it_were_whole(filled: Path, tmp_path: Path):
    with (filled / "state.db").open("r+b") as file:
        file.seek(8_192)
        file.write(b"\xff" * 20_000)
    with pytest.raises(DataLoss, match="damaged"):
        back_up(BackupPlaces.within(filled), tmp_path / "copy")
    assert not (tmp_path / "copy" / MANIFEST).exists()


async def test_a_backup_goes_neither_over_something_nor_into_what_it_copies(filled: Path, tmp_path: Path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "note").touch()
    with pytest.raises(InvalidArgument, match="not an empty directory"):
        back_up(BackupPlaces.within(filled), tmp_path / "taken")
    with pytest.raises(InvalidArgument, match="lies within"):
        back_up(BackupPlaces.within(filled), filled / "pools" / "copy")
    with pytest.raises(NotFound, match="no database"):
        back_up(BackupPlaces.within(tmp_path / "nowhere"), tmp_path / "copy")


async def test_rows_deleted_before_the_backup_are_not_missed(filled: Path, tmp_path: Path):
    arrays = LancePoolStore(str(filled / "pools"))
    [project] = [ProjectId(path.name) for path in (filled / "pools").iterdir()]
    store = open_state_store(f"sqlite:///{filled / 'state.db'}")
    await store.write(lambda tx: tx.pool.delete_rows(project, [7], datetime.now(UTC)))
    await store.close()
    arrays.delete(project, [7])
    assert back_up(BackupPlaces.within(filled), tmp_path / "copy").items == 299
    assert put_back(tmp_path / "copy", tmp_path / "restored").items == 299


def test_the_commands_back_up_and_restore(filled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    copy, restored = str(tmp_path / "copy"), str(tmp_path / "restored")
    assert exit_code("backup", copy, "--data-dir", str(filled)) == 0
    assert "1 projects, 300 items, 300 embeddings" in capsys.readouterr().out
    assert exit_code("restore", copy, "--data-dir", restored) == 0
    assert exit_code("restore", copy, "--data-dir", restored) == 1
    assert "not empty" in capsys.readouterr().err


def test_a_store_on_postgresql_is_left_to_its_own_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("NEXTLABEL_STORE__URL", "postgresql+psycopg://user@db/nextlabel")
    assert exit_code("backup", str(tmp_path / "copy")) == 1
    assert "pg_dump" in capsys.readouterr().err

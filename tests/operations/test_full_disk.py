"""A disk that takes no more: a clear answer to the caller, nothing half done, and service again once there is space."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nextlabel.client import AsyncClient, NextlabelError
from nextlabel.client.transport.connection import Backoff, Connection
from nextlabel.server.operations.backups.copies import back_up
from nextlabel.server.operations.backups.folder import MANIFEST, BackupPlaces
from nextlabel.server.operations.doctor_state import check_state
from nextlabel.server.operations.findings import Status
from nextlabel.server.values.errors import DomainError
from tests.operations.conftest import Serving, add, create, exit_code, item_ids, settings_of

REFUSALS = {"DATABASE_NOT_WRITABLE", "POOL_NOT_WRITABLE", "DISK_FULL"}


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let every write beyond ``size`` bytes of a file fail, as those to a full disk do."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def no_wait(seconds: float) -> None:
    """Backoff without waiting."""


async def add_until_refused(client: AsyncClient) -> tuple[int, str]:
    """Return how many items were acknowledged, and why no more were."""
    for first in range(1_000, 100_000, 500):
        try:
            await add(client, first, 500)
        except NextlabelError as error:
            return first, error.reason
    raise AssertionError("the disk never ran full")


def largest_file(folder: Path) -> int:
    """Return its size in bytes."""
    return max(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def test_a_full_disk_refuses_uploads_and_goes_on_once_there_is_space(
    serving: Serving, data_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Connection, "backoff", lambda _: Backoff(no_wait))
    async with serving(data_dir) as client:
        await create(client)
        await add(client, 0, 1_000)
        with no_file_above(largest_file(data_dir) + 20_000):
            stopped_at, reason = await add_until_refused(client)
            assert reason in REFUSALS
            assert set(await item_ids(client)) == {f"item{i}" for i in range(stopped_at)}
        await add(client, stopped_at, 600)
        ids = await item_ids(client)
        assert len(ids) == len(set(ids)) == stopped_at + 600
    assert {check.status for check in check_state(settings_of(data_dir))} == {Status.OK}


async def test_a_backup_to_a_full_disk_is_no_backup(serving: Serving, data_dir: Path, tmp_path: Path):
    async with serving(data_dir) as client:
        await create(client)
        await add(client, 0, 1_000)
    with no_file_above(50_000), pytest.raises(DomainError):
        back_up(BackupPlaces.within(data_dir), tmp_path / "copy")
    assert not (tmp_path / "copy" / MANIFEST).exists()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").touch()
    assert exit_code("serve", "--data-dir", str(tmp_path / "file" / "data")) == 1
    assert "cannot be made: a file is in its place" in capsys.readouterr().err

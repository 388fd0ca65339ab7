"""Versions of a pool in a bucket that backups hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from nextlabel.server.store.lance_pool.held_backups import BackupState, HeldBackup
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.lance_pool.pool_versions import PoolVersions
from nextlabel.server.store.lance_pool.table_versions import TableVersions
from nextlabel.server.values.errors import NotFound
from tests.store.lance_pool.s3_servers import BUCKET
from tests.store.lance_pool.test_pool_store import P, add, all_rows, expected, scanned
from tests.store.lance_pool.test_s3 import keys

AT_ONCE, IN_AN_HOUR = timedelta(0), timedelta(hours=1)


@pytest.fixture
def pool(s3_url: str) -> LancePoolStore:
    """A pool of 20 items."""
    pool = LancePoolStore(s3_url)
    add(pool, 0, 10)
    add(pool, 10, 10)
    return pool


@pytest.fixture
def versions(s3_url: str) -> PoolVersions:
    return PoolVersions(s3_url)


@pytest.fixture
def files(s3_url: str, s3_endpoint: str) -> Callable[[], list[str]]:
    """The names of the data files that are there."""
    return lambda: [key for key in keys(s3_endpoint, s3_url.removeprefix(f"s3://{BUCKET}/")) if "/data/" in key]


def held(versions: PoolVersions) -> HeldBackup:
    return versions.finish(versions.hold(versions.begin(), versions.tables([P])))


def test_what_a_backup_holds_outlives_deletion_and_compaction_and_is_put_back(
    pool: LancePoolStore, versions: PoolVersions, s3_url: str
) -> None:
    backup = held(versions)
    pool.delete(P, range(5))
    add(pool, 20, 10)
    pool.compact(P)
    assert versions.lost(backup.name, backup.versions) == []
    assert sorted(versions.rows(f"{P}/items.lance", backup.versions[f"{P}/items.lance"])) == list(range(20))
    for _ in range(2):
        # As after a crash: what was done is done again.
        versions.put_back(backup.versions)
    again = LancePoolStore(s3_url)
    assert sorted(all_rows(again)) == list(range(20))
    assert scanned(again) == expected(range(20))
    add(again, 20, 5)
    assert list(again.damaged_files(P)) == []


def test_letting_go_removes_what_no_other_backup_and_no_scan_needs(
    pool: LancePoolStore, versions: PoolVersions, files: Callable[[], list[str]]
) -> None:
    first, second = held(versions), held(versions)
    pool.delete(P, range(5))
    pool.compact(P)
    before = files()
    assert len(before) == 2 * 3
    assert versions.let_go(first.name, AT_ONCE) == 0
    assert files() == before
    assert versions.let_go(second.name, IN_AN_HOUR) == 2
    assert [backup.state for backup in versions.backups()] == [BackupState.LET_GO]
    assert files() == before
    assert versions.let_go(second.name, AT_ONCE) == 0
    assert len(files()) == 2
    assert versions.backups() == []
    assert all_rows(pool) == list(range(5, 20))
    with pytest.raises(NotFound, match="no backup"):
        versions.let_go(second.name, AT_ONCE)


def test_a_project_that_is_dropped_stays_until_the_last_backup_lets_it_go(
    pool: LancePoolStore, versions: PoolVersions, s3_url: str, s3_endpoint: str
) -> None:
    first, second = held(versions), held(versions)
    pool.drop(P)
    pool.drop(P)
    assert all_rows(LancePoolStore(s3_url)) == []
    versions.let_go(first.name, AT_ONCE)
    versions.put_back(second.versions)
    assert all_rows(LancePoolStore(s3_url)) == list(range(20))
    LancePoolStore(s3_url).drop(P)
    assert versions.let_go(second.name, AT_ONCE) == 0
    assert keys(s3_endpoint, s3_url.removeprefix(f"s3://{BUCKET}/")) == []


def test_a_table_made_after_a_backup_has_no_rows_once_it_is_put_back(
    versions: PoolVersions, pool: LancePoolStore, s3_url: str
) -> None:
    backup = versions.finish(versions.hold(versions.begin(), [f"{P}/items.lance"]))
    versions.put_back(backup.versions)
    assert LancePoolStore(s3_url).embedded_rows(P) == 0
    assert len(all_rows(LancePoolStore(s3_url))) == 20


def test_no_version_is_removed_while_a_backup_chooses_which_to_hold(
    pool: LancePoolStore, versions: PoolVersions, files: Callable[[], list[str]]
) -> None:
    backup = versions.begin()
    pool.compact(P)
    assert len(files()) == 2 * 3
    versions.finish(versions.hold(backup, versions.tables([P])))
    pool.compact(P)
    assert len(files()) == 2


@pytest.mark.parametrize("steps", [0, 1])
def test_a_backup_that_was_cut_off_is_listed_and_can_be_let_go(
    pool: LancePoolStore,
    versions: PoolVersions,
    s3_url: str,
    s3_endpoint: str,
    steps: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backup = versions.begin()
    tables = versions.tables([P])
    done: list[str] = []

    def cut_off(self: TableVersions, name: str) -> int:
        if len(done) == steps:
            raise KeyboardInterrupt
        done.append(name)
        return hold(self, name)

    hold = TableVersions.hold
    monkeypatch.setattr(TableVersions, "hold", cut_off)
    with pytest.raises(KeyboardInterrupt):
        versions.hold(backup, tables)
    assert [(found.name, found.state) for found in versions.backups()] == [(backup.name, BackupState.BEGUN)]
    assert versions.let_go(backup.name, AT_ONCE) == 0
    assert [key for key in keys(s3_endpoint, s3_url.removeprefix(f"s3://{BUCKET}/")) if "_refs" in key] == []

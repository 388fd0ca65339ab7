"""What only SQLite must show: group commit, a full disk, a damaged or read-only file."""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.store.sql import sqlite
from nextlabel.server.store.sql.sqlite_errors import translated
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.values.errors import Aborted, DataLoss, InvalidArgument, ResourceExhausted, Unavailable
from tests.store import values as v


@pytest.fixture
async def store(migrated_sqlite: Path, tmp_path: Path) -> AsyncIterator[StateStore]:
    shutil.copy(migrated_sqlite, tmp_path / "state.db")
    opened = open_state_store(f"sqlite:///{tmp_path}/state.db")
    await opened.write(v.inserted(v.project()))
    yield opened
    await opened.close()


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one with each commit of the writer."""
    seen: list[None] = []
    commit = sqlite.SqliteCommitter.commit

    def counted(self: sqlite.SqliteCommitter) -> None:
        seen.append(None)
        commit(self)

    monkeypatch.setattr(sqlite.SqliteCommitter, "commit", counted)
    return seen


def acknowledge(tx: Transaction, upload: str) -> None:
    tx.pool.acknowledge(v.P, upload, 1, v.NOW)


async def write_together(store: StateStore, units: list[v.Unit]) -> list[object]:
    """Queue units while the writer is busy, so that they are one group."""
    started, go_on = threading.Event(), threading.Event()

    def busy(tx: Transaction) -> None:
        started.set()
        assert go_on.wait(30)

    blocker = asyncio.create_task(store.write(busy))
    await asyncio.to_thread(started.wait, 30)
    waiting = [asyncio.create_task(store.write(unit)) for unit in units]
    await asyncio.sleep(0)
    go_on.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    await blocker
    return list(results)


async def test_units_that_wait_together_are_committed_together(store: StateStore, commits: list[None]) -> None:
    await write_together(store, [partial(acknowledge, upload=f"u{n}") for n in range(20)])
    assert len(commits) == 1


async def test_a_failing_unit_takes_no_other_of_its_group_with_it(store: StateStore, commits: list[None]) -> None:
    def fails(tx: Transaction) -> None:
        acknowledge(tx, "lost")
        raise LookupError("mine")

    units: list[v.Unit] = [partial(acknowledge, upload="before"), fails, partial(acknowledge, upload="after")]
    results = await write_together(store, units)
    assert [type(r) for r in results] == [type(None), LookupError, type(None)]
    assert len(commits) == 1
    found = await store.read(lambda tx: [tx.pool.acknowledged(v.P, u) for u in ("before", "lost", "after")])
    assert found == [1, 0, 1]


async def test_a_stray_stop_iteration_reaches_its_caller_and_nobody_else(store: StateStore) -> None:
    def strays(tx: Transaction) -> None:
        next(iter(()))

    results = await write_together(store, [strays, partial(acknowledge, upload="other")])
    assert [type(r) for r in results] == [RuntimeError, type(None)]


async def test_nothing_is_delivered_before_the_commit_and_all_fail_when_it_fails(
    store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: sqlite.SqliteCommitter) -> None:
        self._db.rollback()
        raise ResourceExhausted("full", quota="disk")

    monkeypatch.setattr(sqlite.SqliteCommitter, "commit", full)
    results = await asyncio.gather(
        *(store.write(partial(acknowledge, upload=f"u{n}")) for n in range(5)), return_exceptions=True
    )
    assert [type(r) for r in results] == [ResourceExhausted] * 5
    monkeypatch.undo()
    assert await store.read(lambda tx: [tx.pool.acknowledged(v.P, f"u{n}") for n in range(5)]) == [0] * 5
    await store.write(partial(acknowledge, upload="later"))


async def test_the_unit_of_a_cancelled_caller_still_completes(store: StateStore) -> None:
    task = asyncio.create_task(store.write(partial(acknowledge, upload="u")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.write(partial(acknowledge, upload="next"))
    assert await store.read(lambda tx: tx.pool.acknowledged(v.P, "u")) == 1


async def test_queued_units_are_finished_by_close_and_later_ones_refused(store: StateStore, tmp_path: Path) -> None:
    writes = [asyncio.create_task(store.write(partial(acknowledge, upload=f"u{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)
    for call in (store.write, store.read):
        with pytest.raises(Unavailable, match="shutting down"):
            await call(partial(acknowledge, upload="late"))
    with sqlite3.connect(tmp_path / "state.db") as db:
        assert db.execute("SELECT count(*) FROM uploads").fetchone() == (20,)


async def test_a_full_disk_loses_nothing_that_was_acknowledged(
    migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "full" / "state.db"
    path.parent.mkdir()
    shutil.copy(migrated_sqlite, path)
    pages = path.stat().st_size // 4096 + 40
    monkeypatch.setattr(sqlite, "PRAGMAS", (*sqlite.PRAGMAS, f"PRAGMA max_page_count = {pages}"))
    store = open_state_store(f"sqlite:///{path}")
    await store.write(v.inserted(v.project()))

    def add(tx: Transaction, number: int) -> int:
        tx.pool.put_replay_labels(v.P, f"set-{number}", [(str(n), "x" * 100) for n in range(50)])
        return number

    results = await asyncio.gather(*(store.write(partial(add, number=n)) for n in range(60)), return_exceptions=True)
    refused = [r for r in results if not isinstance(r, int)]
    assert {type(r) for r in refused} == {ResourceExhausted}
    sizes = await store.read(lambda tx: [len(tx.pool.replay_labels(v.P, f"set-{n}")) for n in range(60)])
    assert set(sizes) == {0, 50}
    whole = {n for n, size in enumerate(sizes) if size}
    assert whole == {r for r in results if isinstance(r, int)}
    await store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_reads_cannot_write(store: StateStore) -> None:
    with pytest.raises(Unavailable):
        await store.read(partial(acknowledge, upload="u"))


async def test_every_commit_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, seen = sqlite.connect, []

    def opened(path: Path) -> sqlite3.Connection:
        db = connect(path)
        names = ("journal_mode", "synchronous", "foreign_keys")
        seen.append([db.execute(f"PRAGMA {name}").fetchone() for name in names])
        return db

    monkeypatch.setattr(sqlite, "connect", opened)
    await open_state_store(f"sqlite:///{tmp_path}/state.db").close()
    assert seen == [[("wal",), (2,), (1,)]] * len(seen) != []


def test_a_file_that_is_no_database_is_named_damaged(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    with pytest.raises(DataLoss, match="damaged"):
        open_state_store(f"sqlite:///{tmp_path}/state.db")


async def test_values_that_sql_cannot_hold_are_refused(store: StateStore) -> None:
    for sequence in (2**63, -(2**63) - 1):
        with pytest.raises(InvalidArgument, match="cannot be stored"):
            await store.write(lambda tx, s=sequence: tx.pool.acknowledge(v.P, "u", s, v.NOW))  # type: ignore[misc]
    with pytest.raises(InvalidArgument, match="cannot be stored"):
        await store.write(partial(acknowledge, upload="\ud800"))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, ResourceExhausted),
        (sqlite3.SQLITE_READONLY, Unavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, Unavailable),
        (sqlite3.SQLITE_BUSY, Unavailable),
        (sqlite3.SQLITE_CORRUPT, DataLoss),
        (sqlite3.SQLITE_ERROR, sqlite3.OperationalError),
    ],
)
def test_driver_errors_become_errors_a_caller_can_act_on(code: int, expected: type[Exception]) -> None:
    error = sqlite3.OperationalError("text")
    error.sqlite_errorcode = code
    assert type(translated(error)) is expected
    assert type(translated(sqlite3.IntegrityError("unique"))) is Aborted
    own = LookupError("mine")
    assert translated(own) is own

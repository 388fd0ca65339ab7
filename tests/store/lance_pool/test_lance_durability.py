"""What only the Lance store must show: synced files, recovery after kill -9, other processes, refused disks."""

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import lance
import pytest

from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.values.errors import ResourceExhausted, Unavailable
from tests.store import values as v
from tests.store.lance_pool.test_pool_store import P, add, all_rows, expected, new_items, scanned, stored, vectors


def paths_below(folder: Path) -> set[Path]:
    return {folder, *folder.rglob("*")}


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The paths whose current content was synced, at the size they had then."""
    seen: set[Path] = set()
    fsync = os.fsync

    def recorded(file: int) -> None:
        fsync(file)
        seen.add(Path(f"/proc/self/fd/{file}").readlink())

    monkeypatch.setattr(os, "fsync", recorded)
    return seen


def test_every_new_file_and_its_folder_is_synced_before_an_append_returns(tmp_path: Path, synced: set[Path]) -> None:
    pool = LancePoolStore(str(tmp_path / "pool"))
    before: set[Path] = set()
    for first in (0, 10, 20):
        synced.clear()
        add(pool, first, 10)
        new = paths_below(tmp_path / "pool") - before
        assert {p.suffix for p in new} >= {".lance", ".manifest", ".txn"}
        assert new <= synced | before
        assert {path.parent for path in new} - {tmp_path} <= synced
        before |= new


def test_deletes_and_compaction_are_synced_too(tmp_path: Path, synced: set[Path]) -> None:
    pool = LancePoolStore(str(tmp_path / "pool"))
    add(pool, 0, 10)
    add(pool, 10, 10)
    for change in (lambda: pool.delete(P, [3]), lambda: pool.compact(P)):
        before = paths_below(tmp_path)
        synced.clear()
        change()
        new = paths_below(tmp_path) - before
        assert new
        assert new <= synced


def test_what_a_dead_process_wrote_is_synced_by_the_next(tmp_path: Path, synced: set[Path]) -> None:
    add(LancePoolStore(str(tmp_path / "pool")), 0, 10)
    synced.clear()
    LancePoolStore(str(tmp_path / "pool")).embedded_rows(P)
    assert {p for p in paths_below(tmp_path / "pool" / P) if p.is_file()} <= synced


def test_a_failed_sync_is_no_acknowledgement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = LancePoolStore(str(tmp_path / "pool"))
    add(pool, 0, 10)

    def fails(file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(Unavailable):
        pool.append_items(P, 10, new_items(range(10, 20), " lost"))
    monkeypatch.undo()
    pool.append_items(P, 10, new_items(range(10, 15)))
    pool.recover(P, 15, [(0, 10)])
    assert all_rows(pool) == list(range(15))
    assert list(pool.items(P, [14])) == [stored(14)]


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = LancePoolStore(str(tmp_path / "pool"))
    add(pool, 0, 10)

    def full(*args: object, **options: object) -> None:
        raise OSError("LanceError(IO): No space left on device (os error 28), writer.rs:254:9")

    monkeypatch.setattr(lance, "write_dataset", full)
    with pytest.raises(ResourceExhausted, match="free space"):
        add(pool, 10, 10)
    monkeypatch.undo()
    add(pool, 10, 10)
    assert scanned(pool) == expected(range(20))


def test_another_process_is_seen_after_refresh(tmp_path: Path) -> None:
    mine, theirs = LancePoolStore(str(tmp_path)), LancePoolStore(str(tmp_path))
    assert all_rows(theirs) == []
    add(mine, 0, 10)
    theirs.refresh(P)
    assert all_rows(theirs) == list(range(10))
    add(theirs, 10, 10)
    mine.refresh(P)
    mine.delete(P, [5])
    add(theirs, 20, 5)
    for pool in (mine, theirs):
        pool.refresh(P)
        assert all_rows(pool) == [r for r in range(25) if r != 5]
        assert pool.embeddings(P, [24, 6]).tobytes() == vectors([24, 6]).tobytes()


def test_reads_survive_that_another_process_cleaned_up(tmp_path: Path) -> None:
    mine, theirs = LancePoolStore(str(tmp_path)), LancePoolStore(str(tmp_path))
    for first in range(0, 50, 10):
        add(mine, first, 10)
    theirs.refresh(P)
    mine.delete(P, range(10))
    mine.compact(P)
    assert list(theirs.items(P, [5, 30])) == [stored(30)]
    assert theirs.embeddings(P, [30]).tobytes() == vectors([30]).tobytes()


def test_an_orphan_of_another_process_is_replaced(tmp_path: Path) -> None:
    mine, theirs = LancePoolStore(str(tmp_path)), LancePoolStore(str(tmp_path))
    add(mine, 0, 10)
    theirs.refresh(P)
    add(mine, 10, 10, version=" orphan")
    add(theirs, 10, 10)
    assert all_rows(theirs) == list(range(20))
    assert list(theirs.items(P, [15])) == [stored(15)]


def test_compaction_makes_few_files_and_drops_deleted_texts(tmp_path: Path) -> None:
    pool = LancePoolStore(str(tmp_path))
    for first in range(0, 60, 10):
        add(pool, first, 10)
    pool.delete(P, [33])
    pool.compact(P)
    data = list((tmp_path / P / "items.lance" / "data").iterdir())
    assert len(data) == 1
    assert all(b"text \xc3\xa9 33" not in path.read_bytes() for path in data)
    assert scanned(pool) == expected([r for r in range(60) if r != 33])


def test_an_object_store_is_written_through_its_own_protocol(tmp_path: Path, synced: set[Path]) -> None:
    pool = LancePoolStore(f"file-object-store://{tmp_path}")
    add(pool, 0, 10)
    add(pool, 10, 5)
    pool.delete(P, [3])
    pool.compact(P)
    again = LancePoolStore(f"file-object-store://{tmp_path}/")
    assert scanned(again) == expected([r for r in range(15) if r != 3])
    again.drop(P)
    assert scanned(LancePoolStore(f"file-object-store://{tmp_path}")) == {}
    assert synced == set()


@pytest.mark.parametrize("bad", ["../up", "a/b", "", ".", "x" * 200])
def test_a_project_id_cannot_leave_the_pool_folder(tmp_path: Path, bad: str) -> None:
    pool = LancePoolStore(str(tmp_path / "pool"))
    with pytest.raises(ValueError, match="project id"):
        pool.drop(bad)  # type: ignore[arg-type]


APPEND_UNTIL_KILLED = """
import asyncio, sys
from nextlabel.server.values.pool import Segment
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.state_store import open_state_store
from tests.store import values as v
from tests.store.lance_pool.test_pool_store import P, add

async def main(folder):
    state, pool = open_state_store(f"sqlite:///{folder}/state.db"), LancePoolStore(f"{folder}/pool")
    first = await state.read(lambda tx: tx.pool.committed_rows(P))
    while True:
        add(pool, first, 50)
        await state.write(lambda tx: tx.pool.add_segment(Segment(P, first, 50, True, v.NOW)))
        first += 50
        print(first, flush=True)

asyncio.run(main(sys.argv[1]))
"""


def test_rows_acknowledged_before_kill_9_are_there_whole_and_once(tmp_path: Path) -> None:
    async def opened() -> int:
        state = open_state_store(f"sqlite:///{tmp_path}/state.db")
        if await state.read(lambda tx: tx.projects.by_id(P)) is None:
            await state.write(v.inserted(v.project()))
        committed = await state.read(lambda tx: tx.pool.committed_rows(P))
        await state.close()
        return committed

    asyncio.run(opened())
    rng = random.Random(0)
    for _ in range(2):
        acknowledged = killed_after(rng.randint(2, 6), tmp_path)
        committed = asyncio.run(opened())
        assert committed >= acknowledged > 0
        pool = LancePoolStore(f"{tmp_path}/pool")
        pool.recover(P, committed, [(0, committed)])
        assert all_rows(pool) == list(range(committed))
        assert list(pool.items(P, range(committed))) == [stored(row) for row in range(committed)]
        assert scanned(pool) == expected(range(committed))


def killed_after(acks: int, folder: Path) -> int:
    """Kill a process that appends after some acknowledgements; return the last row that it acknowledged."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path.cwd())])}
    command = [sys.executable, "-c", APPEND_UNTIL_KILLED, str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [int(process.stdout.readline()) for _ in range(acks)]
        process.kill()
        return max([*seen, *map(int, process.stdout.read().split())])

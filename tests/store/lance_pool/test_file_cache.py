"""What a server keeps of a bucket on its own disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.store.lance_pool.file_cache import FileCache
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from tests.store.lance_pool.s3_servers import BUCKET, s3_server
from tests.store.lance_pool.test_pool_store import P, add, expected, scanned


@pytest.fixture
def reads(aws: Callable[[str], None]) -> Iterator[list[str]]:
    """The data files that are read from a bucket of its own, as they are read."""
    seen: list[str] = []

    def note(environ: Any) -> None:
        if environ["REQUEST_METHOD"] == "GET" and "/embeddings.lance/data/" in environ["PATH_INFO"]:
            seen.append(environ["PATH_INFO"])

    with s3_server(note) as endpoint:
        aws(endpoint)
        yield seen


@pytest.fixture
def pool(reads: list[str], tmp_path: Path) -> LancePoolStore:
    return LancePoolStore(f"s3://{BUCKET}/{tmp_path.name}", cache=FileCache(tmp_path / "cache", 1 << 20))


def kept(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_is_read_from_the_bucket_once(pool: LancePoolStore, reads: list[str], tmp_path: Path) -> None:
    add(pool, 0, 10)
    assert scanned(pool) == expected(range(10))
    add(pool, 10, 10)
    reads.clear()
    assert scanned(pool, 4) == expected(range(20))
    assert len(set(reads)) == 1
    reads.clear()
    assert scanned(pool) == expected(range(20))
    assert reads == []
    assert len(kept(tmp_path)) == 2


def test_rows_that_were_deleted_stay_away_before_and_after_the_bucket_is_compacted(pool: LancePoolStore) -> None:
    add(pool, 0, 10)
    add(pool, 10, 10)
    assert scanned(pool) == expected(range(20))
    pool.delete(P, [3, 15])
    left = [row for row in range(20) if row not in (3, 15)]
    assert scanned(pool) == expected(left)
    pool.compact(P)
    assert scanned(pool) == expected(left)
    assert scanned(pool) == expected(left)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"no file of Lance"), lambda path: path.unlink()])
def test_what_happens_to_files_on_this_disk_changes_nothing(
    pool: LancePoolStore, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    add(pool, 0, 10)
    scanned(pool)
    [path] = kept(tmp_path)
    damage(path)
    assert scanned(pool) == expected(range(10))
    assert scanned(pool) == expected(range(10))
    [again] = kept(tmp_path)
    assert again == path


def test_a_disk_that_takes_nothing_leaves_reading_to_the_bucket(reads: list[str], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    pool = LancePoolStore(f"s3://{BUCKET}/{tmp_path.name}", cache=FileCache(tmp_path / "cache", 1 << 20))
    add(pool, 0, 10)
    assert scanned(pool) == expected(range(10))


def test_nothing_is_kept_of_a_project_that_is_dropped(pool: LancePoolStore, tmp_path: Path) -> None:
    add(pool, 0, 10)
    scanned(pool)
    pool.drop(P)
    assert kept(tmp_path) == []


def test_what_is_longest_unused_goes_first(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 300)

    def fetch(path: Path) -> None:
        path.write_bytes(bytes(100))

    def keep(name: str, at: int) -> None:
        os.utime(cache.file(name, fetch), (at, at))

    for at, name in enumerate("abc"):
        keep(name, at)
    keep("a", 3)
    keep("d", 4)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c", "d"}


def test_nothing_stays_of_a_file_that_could_not_be_fetched(tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("the connection was lost")

    with pytest.raises(OSError, match="connection"):
        FileCache(tmp_path, 300).file("a", broken)
    assert list(tmp_path.iterdir()) == []

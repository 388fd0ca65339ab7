from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nextlabel.server.ports.pool_store import NewItems, PoolStore, StoredItem
from nextlabel.server.store.lance_pool.file_cache import FileCache
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.values.errors import InvalidArgument, NotFound
from nextlabel.server.values.ids import ProjectId, embeddings_of
from tests.memory_store.pool_store import MemoryPoolStore

P = ProjectId("p1")
D = 8


@pytest.fixture(params=["memory", "lance", "s3", "cached s3"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> PoolStore:
    """An empty PoolStore of every kind and in every place."""
    if request.param == "memory":
        return MemoryPoolStore()
    if request.param == "lance":
        return LancePoolStore(str(tmp_path / "pool"))
    cache = FileCache(tmp_path / "cache", 1 << 20) if "cached" in request.param else None
    return LancePoolStore(request.getfixturevalue("s3_url"), cache=cache)


def new_items(rows: Sequence[int], version: str = "") -> NewItems:
    return NewItems(
        item_ids=[f"id-{row}" for row in rows],
        texts=[f"text \u00e9 {row}{version}" for row in rows],
        metadata=["" if row % 2 else f'{{"row":{row}}}' for row in rows],
        content_hashes=np.array([2**64 - 1 - row for row in rows], np.uint64),
    )


def stored(row: int, version: str = "") -> StoredItem:
    return StoredItem(row, f"id-{row}", f"text \u00e9 {row}{version}", "" if row % 2 else f'{{"row":{row}}}')


def vectors(rows: Sequence[int], dimension: int = D) -> np.ndarray:
    return np.stack([np.random.default_rng(row).standard_normal(dimension).astype(np.float16) for row in rows])


def add(pool: PoolStore, first: int, count: int, *, embedded: bool = True, version: str = "") -> None:
    rows = range(first, first + count)
    pool.append_items(P, first, new_items(rows, version))
    if embedded:
        pool.append_embeddings(P, np.array(rows), vectors(rows))


def scanned(pool: PoolStore, block_rows: int = 16_384) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for block in pool.scan_embeddings(P, block_rows):
        assert 0 < len(block.rows_n) <= block_rows
        assert block.embeddings_nD.dtype == np.float16
        assert block.embeddings_nD.shape == (len(block.rows_n), D)
        for row, vector in zip(block.rows_n.tolist(), block.embeddings_nD, strict=True):
            assert row not in found
            found[row] = vector.tobytes()
    return found


def expected(rows: Sequence[int]) -> dict[int, bytes]:
    return {row: vector.tobytes() for row, vector in zip(rows, vectors(rows), strict=True)}


def all_rows(pool: PoolStore, first_row: int = 0) -> list[int]:
    return [row for block in pool.scan_keys(P, first_row) for row in block.rows_n.tolist()]


def test_an_empty_pool_answers(pool: PoolStore) -> None:
    assert list(pool.items(P, [0, 1])) == []
    assert all_rows(pool) == []
    assert list(pool.scan_items(P, 0, 10)) == []
    assert scanned(pool) == {}
    assert pool.embedded_rows(P) == 0
    assert pool.recover(P, 0, []) == 0
    pool.refresh(P)
    pool.compact(P)
    pool.delete(P, [1])
    pool.drop(P)
    with pytest.raises(NotFound):
        pool.embeddings(P, [0])


def test_items_come_back_in_the_order_asked_for(pool: PoolStore) -> None:
    add(pool, 0, 5)
    add(pool, 5, 5)
    assert list(pool.items(P, [7, 2, 9, 99, 0, 7])) == [stored(r) for r in (7, 2, 9, 0, 7)]
    assert list(pool.items(P, [])) == []


def test_keys_and_items_are_scanned_in_row_order(pool: PoolStore) -> None:
    add(pool, 0, 6)
    add(pool, 6, 6)
    blocks = list(pool.scan_keys(P, 4))
    assert [i for b in blocks for i in b.item_ids] == [f"id-{r}" for r in range(4, 12)]
    assert [h for b in blocks for h in b.content_hashes_n.tolist()] == [2**64 - 1 - r for r in range(4, 12)]
    assert all_rows(pool) == list(range(12))
    assert list(pool.scan_items(P, 3, 8)) == [stored(r) for r in range(3, 8)]
    assert list(pool.scan_items(P, 10, 99)) == [stored(r) for r in (10, 11)]
    assert list(pool.scan_items(P, 5, 5)) == []


def test_embeddings_come_back_bit_for_bit(pool: PoolStore) -> None:
    rows = [3, 4, 5, 0, 1, 9]
    pool.append_embeddings(P, np.array(rows[:4]), vectors(rows[:4]))
    pool.append_embeddings(P, np.array(rows[4:]), vectors(rows[4:]))
    assert pool.embedded_rows(P) == 6
    assert scanned(pool) == expected(rows)
    assert scanned(pool, block_rows=2) == expected(rows)
    assert list(scanned(pool)) == list(scanned(pool, block_rows=4))
    wanted = [9, 0, 4, 4]
    assert pool.embeddings(P, wanted).tobytes() == vectors(wanted).tobytes()
    assert pool.embeddings(P, []).shape == (0, D)
    with pytest.raises(NotFound, match="row 2 "):
        pool.embeddings(P, [0, 2])


def test_another_dimension_is_refused_and_nothing_is_lost(pool: PoolStore) -> None:
    pool.append_embeddings(P, np.array([0]), vectors([0]))
    with pytest.raises(InvalidArgument, match="8 dimensions, got 3"):
        pool.append_embeddings(P, np.array([1]), vectors([1], dimension=3))
    assert scanned(pool) == expected([0])


def test_deleted_rows_are_gone_and_the_others_still_found(pool: PoolStore) -> None:
    add(pool, 0, 50)
    gone = {0, 3, 4, 5, 20, 49}
    kept = [row for row in range(50) if row not in gone]
    pool.delete(P, [*gone, 1000])
    for _ in range(2):
        assert all_rows(pool) == kept
        assert list(pool.items(P, range(50))) == [stored(r) for r in kept]
        assert scanned(pool) == expected(kept)
        assert pool.embeddings(P, kept[::-1]).tobytes() == vectors(kept[::-1]).tobytes()
        assert pool.embedded_rows(P) == len(kept)
        assert list(pool.scan_items(P, 2, 8)) == [stored(r) for r in (2, 6, 7)]
        with pytest.raises(NotFound):
            pool.embeddings(P, [20])
        pool.compact(P)


def test_recovery_removes_exactly_the_orphans(pool: PoolStore) -> None:
    add(pool, 0, 10)
    add(pool, 10, 10)
    add(pool, 20, 5)
    pool.append_embeddings(P, np.array([30, 31]), vectors([30, 31]))
    removed = pool.recover(P, 15, [(0, 5), (10, 5), (30, 1)])
    kept = [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 30]
    assert all_rows(pool) == list(range(15))
    assert scanned(pool) == expected(kept)
    assert removed == 10 + 16
    assert pool.recover(P, 15, [(0, 5), (10, 5), (30, 1)]) == 0
    add(pool, 15, 5)
    assert all_rows(pool) == list(range(20))


def test_a_repeated_append_replaces_what_a_failed_call_left(pool: PoolStore) -> None:
    add(pool, 0, 10)
    add(pool, 10, 10, version=" orphan")
    add(pool, 10, 4)
    assert list(pool.items(P, [9, 10, 13, 14])) == [stored(9), stored(10), stored(13), stored(14, " orphan")]
    assert all_rows(pool) == list(range(20))
    assert [i.row for i in pool.scan_items(P, 8, 16)] == list(range(8, 16))
    assert scanned(pool) == expected(range(20))


def test_a_scan_sees_one_version_whatever_happens_meanwhile(pool: PoolStore) -> None:
    add(pool, 0, 40)
    blocks = pool.scan_embeddings(P, 10)
    first = next(blocks)
    add(pool, 40, 10)
    pool.delete(P, range(30, 40))
    pool.compact(P)
    seen = first.rows_n.tolist() + [row for block in blocks for row in block.rows_n.tolist()]
    assert sorted(seen) == list(range(40))
    assert len(scanned(pool)) == 40


def test_embeddings_by_another_model_are_apart_and_go_alone(pool: PoolStore) -> None:
    add(pool, 0, 5)
    other = embeddings_of(P, 1)
    pool.append_embeddings(other, np.arange(5), vectors(range(5), 3))
    assert pool.embeddings(other, [4, 0]).tobytes() == vectors([4, 0], 3).tobytes()
    assert pool.keep_embeddings(other, [(0, 2), (3, 1)]) == 2
    assert (pool.embedded_rows(other), pool.embedded_rows(P)) == (3, 5)
    pool.delete(other, [0])
    assert (pool.embedded_rows(other), pool.embedded_rows(P), all_rows(pool)) == (2, 5, [1, 2, 3, 4])
    pool.drop_embeddings(P)
    pool.drop_embeddings(P)
    assert (pool.embedded_rows(other), pool.embedded_rows(P)) == (2, 0)
    pool.drop(P)
    assert (pool.embedded_rows(other), all_rows(pool)) == (0, [])


def test_projects_are_apart_and_a_dropped_one_is_empty(pool: PoolStore) -> None:
    other = ProjectId("p2")
    add(pool, 0, 3)
    pool.append_items(other, 0, new_items([0], " other"))
    pool.drop(P)
    assert all_rows(pool) == []
    assert scanned(pool) == {}
    assert list(pool.items(other, [0])) == [stored(0, " other")]
    add(pool, 0, 2)
    assert all_rows(pool) == [0, 1]

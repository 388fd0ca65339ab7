"""Bytes that flip on a disk are found: no text is ever served that was not committed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from nextlabel.server.domain.pool.incoming import content_hashes
from nextlabel.server.domain.pool.index import hash_texts
from nextlabel.server.operations.pool_check import CommittedPool, find_gap
from nextlabel.server.ports.pool_store import NewItems
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.values.errors import DataLoss, Unavailable
from nextlabel.server.values.pool import Split
from tests.store.values import project

PROJECT = project("p")
ITEMS = 200
TEXTS = [f"text number {i}, which says something of its own: {i * 7919 % 1000}" for i in range(ITEMS)]
IDS = [f"i{i}" for i in range(ITEMS)]
COMMITTED = CommittedPool(PROJECT, np.arange(ITEMS), np.arange(ITEMS), 0, {})


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    arrays = LancePoolStore(str(folder))
    none = [""] * ITEMS
    hashes = content_hashes(hash_texts(IDS), TEXTS, none, [Split.POOL] * ITEMS, none)
    arrays.append_items(PROJECT.id, 0, NewItems(IDS, TEXTS, none, hashes))
    vectors = np.random.default_rng(0).standard_normal((ITEMS, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    arrays.append_embeddings(PROJECT.id, np.arange(ITEMS), vectors.astype(np.float16))
    return folder


def test_a_whole_pool_has_no_gap(pool: Path) -> None:
    assert find_gap(LancePoolStore(str(pool)), COMMITTED) is None


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_are_found_or_change_neither_id_nor_text(pool: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    copy = tmp_path / "copy"
    shutil.copytree(pool, copy)
    file = rng.choice(sorted(copy.rglob("items.lance/data/*")))
    content = bytearray(file.read_bytes())
    for _ in range(rng.choice([1, 3, 400])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(bytes(content))
    try:
        arrays = LancePoolStore(str(copy))
        found = find_gap(arrays, COMMITTED) is not None
        stored = [(item.item_id, item.text) for item in arrays.scan_items(PROJECT.id, 0, ITEMS)]
    except (DataLoss, Unavailable):
        return
    assert found or stored == list(zip(IDS, TEXTS, strict=True))


@pytest.mark.parametrize("table", ["items", "embeddings"])
@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_flip_of_any_bit_of_a_data_file_is_found_by_name(
    pool: Path, tmp_path: Path, table: str, compacted: bool, seed: int
) -> None:
    rng = random.Random(seed)
    copy = tmp_path / "copy"
    shutil.copytree(pool, copy)
    if compacted:
        arrays = LancePoolStore(str(copy))
        arrays.delete(PROJECT.id, [ITEMS])
        arrays.compact(PROJECT.id)
    file = rng.choice(sorted(copy.rglob(f"{table}.lance/data/*")))
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(bytes(content))
    try:
        found = LancePoolStore(str(copy)).damaged_files(PROJECT.id)
    except (DataLoss, Unavailable):
        return
    assert found == [f"{table}.lance/data/{file.name}"]


def test_damaged_files_are_not_merged_into_whole_ones(pool: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(pool, copy)
    arrays = LancePoolStore(str(copy))
    arrays.delete(PROJECT.id, [3])
    file = next(copy.rglob("embeddings.lance/data/*"))
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(DataLoss, match="restore"):
        arrays.compact(PROJECT.id)
    assert arrays.damaged_files(PROJECT.id) == [f"embeddings.lance/data/{file.name}"]


def test_of_files_that_an_earlier_version_wrote_nothing_is_known(pool: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(pool, copy)
    for folder in list(copy.rglob("_sums")):
        shutil.rmtree(folder)
    assert find_gap(LancePoolStore(str(copy)), COMMITTED) is None

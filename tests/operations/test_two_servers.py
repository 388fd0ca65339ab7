"""Two processes on one pool directory, here two PoolStores: each sees what the other has appended."""

from pathlib import Path

import numpy as np

from nextlabel.server.ports.pool_store import NewItems
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.values.ids import ProjectId

PROJECT = ProjectId("p")


def append(arrays: LancePoolStore, row: int) -> None:
    arrays.append_items(PROJECT, row, NewItems([f"item{row}"], ["text"], [""], np.array([row], np.uint64)))
    arrays.append_embeddings(PROJECT, np.array([row]), np.ones((1, 4), np.float16))


def test_a_row_that_another_server_appended_is_read(tmp_path: Path):
    one, other = LancePoolStore(str(tmp_path)), LancePoolStore(str(tmp_path))
    append(one, 0)
    assert [item.item_id for item in other.items(PROJECT, [0])] == ["item0"]
    append(one, 1)
    assert [item.item_id for item in other.items(PROJECT, [1, 0])] == ["item1", "item0"]
    assert other.embeddings(PROJECT, [0, 1]).shape == (2, 4)

"""What is kept of the items that were read last is what the pool has, and no more than a bound."""

from __future__ import annotations

from typing import Any

import pytest

from nextlabel.server.domain.pool.recent_items import RecentItems
from nextlabel.server.ports.pool_store import StoredItem


@pytest.fixture
async def filled(service: Any) -> Any:
    project = await service.create()
    await service.add(project, ["a", "b", "c"])
    return project


async def test_an_item_is_read_once(service: Any, filled: Any, monkeypatch: Any) -> None:
    pools = service.parts.pool.pools
    first = await pools.items(filled.id, [2, 0])
    read = []
    stored = service.parts.base.arrays.items

    def items(project: Any, rows: Any) -> Any:
        read.append(list(rows))
        return stored(project, rows)

    monkeypatch.setattr(service.parts.base.arrays, "items", items)
    assert await pools.items(filled.id, [2, 0]) == first
    assert [item.item_id for item in await pools.items(filled.id, [1, 0, 1])] == ["b", "a", "b"]
    assert read == [[1]]


async def test_nothing_is_kept_of_what_was_deleted(service: Any, filled: Any) -> None:
    pools = service.parts.pool.pools
    await pools.items(filled.id, [0, 1])
    await pools.delete(filled.id, ["a"], service.parts.base.clock.now())
    assert [item.item_id for item in await pools.items(filled.id, [0, 1])] == ["b"]
    assert not (await pools.open(filled.id)).recent.among([0])


def test_memory_is_bounded_and_one_large_text_pushes_nothing_out() -> None:
    recent = RecentItems()
    texts = ["x" * 1_000, "x" * 100_000]
    recent.keep(StoredItem(row, f"i{row}", texts[row % 2], "") for row in range(10_000))
    kept = recent.among(range(10_000))
    assert 500 < len(kept) < 2_000
    assert {row % 2 for row in kept} == {0}
    assert 9_998 in kept

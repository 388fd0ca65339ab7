"""Reads that are shared must answer each caller as a read of its own would."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from nextlabel.server.domain.pool.grouped_reads import MOST_ROWS, GroupedReads
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.values.errors import Unavailable


class Store:
    """Items of even rows; every read waits until it is let go."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def read(self, rows: Sequence[int]) -> Sequence[StoredItem]:
        self.reads.append(list(rows))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return [StoredItem(row, f"item-{row}", f"text {row}", "") for row in rows if row % 2 == 0]


def test_calls_during_a_read_share_the_next_one() -> None:
    async def scenario() -> None:
        store = Store()
        reads = GroupedReads(store.read)
        calls = [asyncio.create_task(reads.items(rows)) for rows in ([4, 2], [2, 3, 8], [5], [])]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        late = asyncio.create_task(reads.items([6, 4]))
        store.go.set()
        found = [[item.row for item in await call] for call in calls]
        assert found == [[4, 2], [2, 8], [], []]
        assert [item.row for item in await late] == [6, 4]
        assert store.reads == [[2, 3, 4, 5, 8], [4, 6]]

    asyncio.run(scenario())


def test_a_failed_read_is_the_error_of_all_who_shared_it_and_of_nobody_else() -> None:
    async def scenario() -> None:
        store = Store()
        store.error = Unavailable("the disk is gone")
        store.go.set()
        reads = GroupedReads(store.read)
        failed = await asyncio.gather(reads.items([2]), reads.items([4]), return_exceptions=True)
        assert [type(error) for error in failed] == [Unavailable, Unavailable]
        store.error = None
        assert [item.row for item in await reads.items([2])] == [2]

    asyncio.run(scenario())


def test_a_caller_that_leaves_costs_no_other() -> None:
    async def scenario() -> None:
        store = Store()
        reads = GroupedReads(store.read)
        leaves, stays = (asyncio.create_task(reads.items([row])) for row in (2, 4))
        await asyncio.sleep(0)
        leaves.cancel()
        store.go.set()
        assert [item.row for item in await stays] == [4]
        with pytest.raises(asyncio.CancelledError):
            await leaves

    asyncio.run(scenario())


def test_a_large_call_reads_for_itself() -> None:
    async def scenario() -> None:
        store = Store()
        store.go.set()
        reads = GroupedReads(store.read)
        rows = list(range(MOST_ROWS + 1))
        small, large = await asyncio.gather(reads.items([2]), reads.items(rows))
        assert (len(small), len(large)) == (1, len(rows) // 2 + 1)
        assert sorted(map(len, store.reads)) == [1, len(rows)]

    asyncio.run(scenario())

"""Who shares a read sees what was there when they came."""

from __future__ import annotations

import asyncio

from nextlabel.server.system.shared_reads import SharedReads
from nextlabel.server.values.errors import Unavailable


class Store:
    """A value that is read at once and told when it is let go."""

    def __init__(self) -> None:
        self.value = 0
        self.reads = 0
        self.go = asyncio.Event()

    async def read(self) -> int:
        self.reads += 1
        seen = self.value
        await self.go.wait()
        return seen


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_who_comes_during_a_read_gets_the_next_one() -> None:
    async def scenario() -> None:
        store, reads = Store(), SharedReads[int]()
        early = [asyncio.create_task(reads.get("a", store.read)) for _ in range(3)]
        await _turns()
        store.value = 1
        late = [asyncio.create_task(reads.get("a", store.read)) for _ in range(4)]
        await _turns()
        store.go.set()
        assert await asyncio.gather(*early, *late) == [0] * 3 + [1] * 4
        assert store.reads == 2

    asyncio.run(scenario())


def test_another_key_waits_for_nobody() -> None:
    async def scenario() -> None:
        store, quick, reads = Store(), Store(), SharedReads[int]()
        quick.go.set()
        slow = asyncio.create_task(reads.get("a", store.read))
        await _turns()
        assert await reads.get("b", quick.read) == 0
        store.go.set()
        await slow

    asyncio.run(scenario())


def test_who_leaves_takes_nothing_from_the_others() -> None:
    async def scenario() -> None:
        store, reads = Store(), SharedReads[int]()
        leaving, staying = (asyncio.create_task(reads.get("a", store.read)) for _ in range(2))
        await _turns()
        leaving.cancel()
        await _turns()
        store.go.set()
        assert await staying == 0

    asyncio.run(scenario())


def test_an_error_is_that_of_all_who_share_it_and_of_no_later_read() -> None:
    async def scenario() -> None:
        store, reads = Store(), SharedReads[int]()
        store.go.set()

        async def broken() -> int:
            raise Unavailable("down")

        told = await asyncio.gather(*(reads.get("a", broken) for _ in range(2)), return_exceptions=True)
        assert [type(error) for error in told] == [Unavailable, Unavailable]
        assert await reads.get("a", store.read) == 0

    asyncio.run(scenario())


def test_nothing_is_kept_of_keys_that_were_read() -> None:
    async def scenario() -> None:
        store, reads = Store(), SharedReads[int]()
        store.go.set()
        for key in ("a", "b"):
            await reads.get(key, store.read)
        assert not {"a", "b"} & (reads._next.keys() | reads._running.keys())  # noqa: SLF001 -- memory is the point

    asyncio.run(scenario())

"""What one server of a database deletes, all others take as deleted at once."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nextlabel.server.compute.threads import Threads
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.pool.ingest import Ingest
from nextlabel.server.domain.pool.ingest_group import Receipt
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.errors import NotFound
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pool import Split
from tests.memory_store.state_store import MemoryStateStore
from tests.store import values as v

PROJECT = v.project()


class Server:
    """The pool as one process knows it."""

    def __init__(self, store: MemoryStateStore, folder: Path, name: str) -> None:
        self.threads, self.clock, self.name = Threads("disk", 2), SystemClock(), name
        self.pools = Pools(store, LancePoolStore(str(folder)), self.threads)
        self.ingest = Ingest(store, self.pools, self.threads, self.clock, Limits(), Signals())
        self._sequence = 0

    async def add(self, ids: Sequence[str], text: str = "text", split: Split = Split.POOL, label: str = "") -> Receipt:
        n = len(ids)
        self._sequence += 1
        texts = [f"{text} of {i}" for i in ids]
        embeddings = np.ones((n, PROJECT.embedding_dimension), np.float16)
        items = IncomingItems(ids, texts, [""] * n, [split] * n, [label] * n, embeddings)
        return await (await self.ingest.add(PROJECT, self.name, self._sequence, items))

    async def delete(self, *ids: str) -> Sequence[str]:
        return await self.pools.delete(PROJECT.id, ids, self.clock.now())

    async def texts(self, *ids: str) -> list[str]:
        rows = await self.pools.find(PROJECT.id, ids)
        return [item.text for item in await self.pools.items(PROJECT.id, [r for r in rows.tolist() if r >= 0])]


@pytest.fixture
async def servers(tmp_path: Path):
    store = MemoryStateStore()
    await store.write(v.inserted(PROJECT))
    both = [Server(store, tmp_path, name) for name in ("one", "other")]
    yield both
    for server in both:
        server.threads.close()


async def test_a_deleted_item_is_not_served_elsewhere(servers: list[Server]) -> None:
    one, other = servers
    await one.add(["a", "b", "c"])
    assert len(await other.texts("a", "b", "c")) == 3
    await one.delete("b")
    assert await other.texts("a", "b", "c") == ["text of a", "text of c"]
    assert [item.item_id for item in await other.pools.items(PROJECT.id, [0, 1, 2])] == ["a", "c"]
    with pytest.raises(NotFound):
        await other.pools.item(PROJECT.id, "b")


async def test_a_deleted_item_is_not_askable_elsewhere(servers: list[Server]) -> None:
    one, other = servers
    await one.add(["a", "b", "c"])
    await other.pools.open(PROJECT.id)
    await one.delete("c", "a")
    assert (await other.pools.open(PROJECT.id)).unusable_rows().tolist() == [0, 2]


async def test_a_deleted_id_can_be_added_elsewhere_and_is_the_new_item_everywhere(servers: list[Server]) -> None:
    one, other = servers
    await one.add(["a", "b"])
    await other.pools.open(PROJECT.id)
    await one.delete("a")
    receipt = await other.add(["a"], text="other text")
    assert (receipt.accepted, receipt.errors) == (1, [])
    for server in servers:
        assert await server.texts("a", "b") == ["other text of a", "text of b"]


async def test_a_text_is_no_reference_any_more_once_its_item_was_deleted_elsewhere(servers: list[Server]) -> None:
    one, other = servers
    await one.add(["gold"], split=Split.GOLD, label="a")
    assert (await other.pools.open(PROJECT.id)).reference_hashes
    await one.delete("gold")
    pool = await other.pools.open(PROJECT.id)
    assert (pool.references, pool.reference_hashes) == ({}, set())
    await other.add(["gold"])
    assert (await other.pools.open(PROJECT.id)).references == {}


async def test_deletions_and_additions_at_all_servers_meet(servers: list[Server]) -> None:
    ids = [f"i{n}" for n in range(60)]
    await servers[0].add(ids)
    await servers[1].pools.open(PROJECT.id)
    await asyncio.gather(*(servers[n % 2].delete(item_id) for n, item_id in enumerate(ids)))
    for server in servers:
        assert await server.texts(*ids) == []
    receipts = await asyncio.gather(*(servers[n % 2].add([item_id], "new") for n, item_id in enumerate(ids)))
    assert [receipt.accepted for receipt in receipts] == [1] * len(ids)
    for server in servers:
        assert len(await server.texts(*ids)) == len(ids)

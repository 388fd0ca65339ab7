"""Who follows a table by the last id it saw loses nothing: ids become visible in their order."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import psycopg
import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.values.ids import ProjectId
from tests.store import values as v
from tests.store.sql.test_postgres import plain, replicas, while_open

WRITERS = 16
EACH = 25
OTHER = ProjectId("p2")

__all__ = ["replicas"]


def annotate(tx: Transaction, writer: int, number: int) -> None:
    assert tx.labeling.add_annotations([v.annotation(number, f"annotator{writer}")]) == [True]


def book(tx: Transaction, writer: int, number: int) -> None:
    tx.budgets.append(v.entry())


def annotations_after(tx: Transaction, last: int) -> Sequence[int]:
    return [a.id for a in tx.labeling.annotations(v.P, after_id=last)]


def entries_after(tx: Transaction, last: int) -> Sequence[int]:
    return [e.id for e in tx.budgets.entries(v.P, after_id=last)]


class Add(Protocol):
    def __call__(self, tx: Transaction, writer: int, number: int) -> None: ...


class After(Protocol):
    def __call__(self, tx: Transaction, last: int) -> Sequence[int]: ...


FOLLOWED = pytest.mark.parametrize(
    ("add", "after"), [(annotate, annotations_after), (book, entries_after)], ids=["annotations", "ledger"]
)


async def follow(store: StateStore, after: After, count: int) -> list[int]:
    """Read what is new until ``count`` ids were seen."""
    seen: list[int] = []
    while len(seen) < count:
        seen += await store.read(partial(after, last=seen[-1] if seen else 0))
        await asyncio.sleep(0)
    return seen


async def write_all(store: StateStore, add: Add, writer: int) -> None:
    for number in range(EACH):
        await store.write(partial(add, writer=writer, number=number))


@FOLLOWED
async def test_a_follower_misses_nothing_of_many_writers(store: StateStore, add: Add, after: After) -> None:
    await store.write(v.inserted(v.project()))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        follower = group.create_task(follow(store, after, WRITERS * EACH))
        for writer in range(WRITERS):
            group.create_task(write_all(store, add, writer))
    assert len(set(follower.result())) == WRITERS * EACH


@FOLLOWED
async def test_a_follower_misses_nothing_of_many_servers(postgres_url: str, add: Add, after: After) -> None:
    servers = [open_state_store(postgres_url) for _ in range(3)]
    try:
        await servers[0].write(v.inserted(v.project()))
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            followers = [group.create_task(follow(server, after, WRITERS * EACH)) for server in servers]
            for writer in range(WRITERS):
                group.create_task(write_all(servers[writer % 3], add, writer))
        assert all(len(set(follower.result())) == WRITERS * EACH for follower in followers)
    finally:
        await asyncio.gather(*(server.close() for server in servers))


@FOLLOWED
async def test_no_id_is_visible_before_a_smaller_one(
    replicas: tuple[StateStore, StateStore], postgres_url: str, add: Add, after: After
) -> None:
    first, second = replicas
    slow, go_on = await while_open(first, partial(add, writer=1, number=1))
    fast = asyncio.create_task(second.write(partial(add, writer=2, number=2)))
    await waits_or_ended(fast, postgres_url)
    seen = list(await second.read(lambda tx: after(tx, 0)))
    go_on.set()
    await asyncio.gather(slow, fast)
    seen += await second.read(lambda tx: after(tx, seen[-1] if seen else 0))
    assert len(seen) == 2


async def test_writers_of_other_projects_do_not_wait(replicas: tuple[StateStore, StateStore]) -> None:
    first, second = replicas
    await first.write(v.inserted(v.project(OTHER)))
    slow, go_on = await while_open(first, partial(annotate, writer=1, number=1))
    async with asyncio.timeout(30):
        await second.write(lambda tx: tx.labeling.add_annotations([v.annotation(1, of=OTHER)]))
    go_on.set()
    await slow


async def waits_or_ended(task: asyncio.Task[None], url: str) -> None:
    """Return when a unit of work has ended, or waits for a lock that another one holds."""
    async with asyncio.timeout(30):
        while not task.done():
            if await asyncio.to_thread(waiting, url):
                return


def waiting(url: str) -> bool:
    with psycopg.connect(plain(url)) as db:
        return db.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is not None

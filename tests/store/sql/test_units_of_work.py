import asyncio
from functools import partial

import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import AlreadyExists
from nextlabel.server.values.ids import ProjectId
from tests.store import values as v


def acknowledge(tx: Transaction, sequence: int) -> None:
    tx.pool.acknowledge(v.P, "u", sequence, v.NOW)


async def test_a_failing_unit_leaves_nothing(store: StateStore) -> None:
    def fails(tx: Transaction) -> None:
        tx.projects.insert(v.project("p1"))
        raise LookupError("own error of the caller")

    with pytest.raises(LookupError, match="own error"):
        await store.write(fails)
    assert await store.read(lambda tx: tx.projects.list("", 10)) == []


@pytest.mark.parametrize("project", [None, v.P])
async def test_concurrent_units_fail_and_succeed_each_for_itself(store: StateStore, project: ProjectId | None) -> None:
    names = [f"n{i // 2}" for i in range(40)]
    results = await asyncio.gather(
        *(store.write(v.inserted(v.project(f"p{i}", name)), project=project) for i, name in enumerate(names)),
        return_exceptions=True,
    )
    assert [type(r) for r in results].count(AlreadyExists) == 20
    assert results.count(None) == 20
    assert len(await store.read(lambda tx: tx.projects.list("", 100))) == 20


async def test_a_write_is_seen_by_the_next_read(store: StateStore) -> None:
    await store.write(lambda tx: tx.projects.insert(v.project()))
    for sequence in range(1, 30):
        await store.write(partial(acknowledge, sequence=sequence))
        assert await store.read(lambda tx: tx.pool.acknowledged(v.P, "u")) == sequence


async def test_the_unit_of_a_cancelled_caller_is_whole_or_absent(store: StateStore) -> None:
    await store.write(lambda tx: tx.projects.insert(v.project()))

    def adds_two(tx: Transaction) -> None:
        tx.labeling.add_batch(v.batch("b1"), [v.pick(1, "b1")])
        tx.labeling.add_batch(v.batch("b2"), [v.pick(2, "b2")])

    task = asyncio.create_task(store.write(adds_two))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.write(lambda tx: tx.pool.acknowledge(v.P, "u", 1, v.NOW))
    assert await store.read(lambda tx: len(tx.labeling.batches(v.P))) in (0, 2)


async def test_the_same_name_is_held_by_one_at_a_time(store: StateStore) -> None:
    async with store.exclusive("trainer/p1") as first:
        async with store.exclusive("trainer/p1") as second, store.exclusive("trainer/p2") as other:
            assert (first, second, other) == (True, False, True)
        async with store.exclusive("trainer/p1") as again:
            assert again is False
    async with store.exclusive("trainer/p1") as later:
        assert later is True


async def test_who_waits_for_a_name_gets_it_when_it_is_free(store: StateStore) -> None:
    order: list[int] = []

    async def holds(number: int) -> None:
        async with store.held("trainer/p1"):
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

    async with asyncio.timeout(60):
        await asyncio.gather(*(holds(number) for number in range(5)))
    assert order[::2] == order[1::2]
    assert sorted(order[::2]) == list(range(5))

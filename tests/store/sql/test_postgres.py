"""What only PostgreSQL must show: several server processes on one database."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial

import psycopg
import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.values.errors import Aborted, InvalidArgument, Unavailable
from tests.store import values as v


@pytest.fixture
async def replicas(postgres_url: str) -> AsyncIterator[tuple[StateStore, StateStore]]:
    """Two stores on one database, as two server processes have them."""
    first, second = open_state_store(postgres_url), open_state_store(postgres_url)
    await first.write(v.inserted(v.project()))
    yield first, second
    await first.close()
    await second.close()


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def claim(tx: Transaction, annotator: str, count: int, overlap: int = 1) -> list[int]:
    return [p.row for p in tx.labeling.claim_open_picks(v.P, annotator, overlap, count)]


async def while_open(
    store: StateStore, first: v.Unit, then: asyncio.Future[None] | None = None
) -> tuple[asyncio.Task[None], threading.Event]:
    """Start a unit of work and return once it has run; it commits when the event is set."""
    ran, go_on = threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        first(tx)
        ran.set()
        assert go_on.wait(30)

    task = asyncio.create_task(store.write(work))
    assert await asyncio.to_thread(ran.wait, 30)
    return task, go_on


async def test_a_claim_passes_over_what_another_process_is_claiming(
    replicas: tuple[StateStore, StateStore],
) -> None:
    first, second = replicas
    await first.write(lambda tx: tx.labeling.add_batch(v.batch(), [v.pick(row) for row in range(6)]))
    claimed: list[int] = []
    task, go_on = await while_open(first, lambda tx: claimed.extend(claim(tx, "ann", 2)))
    assert await second.write(lambda tx: claim(tx, "bob", 3)) == [2, 3, 4]
    go_on.set()
    await task
    assert claimed == [0, 1]
    assert await second.write(lambda tx: claim(tx, "bob", 3)) == [5]


async def test_one_annotator_at_two_servers_gets_no_row_twice(replicas: tuple[StateStore, StateStore]) -> None:
    await replicas[0].write(lambda tx: tx.labeling.add_batch(v.batch(), [v.pick(row) for row in range(40)]))

    def leased(tx: Transaction, number: int) -> list[int]:
        picks = tx.labeling.claim_open_picks(v.P, "ann", 3, 4)
        lease = v.lease(f"l{number}", "ann")
        tx.labeling.add_lease(lease, [v.lease_item(p.row, lease.id, p.batch) for p in picks])
        return [p.row for p in picks]

    calls = [replicas[n % 2].write(partial(leased, number=n)) for n in range(12)]
    rows = [row for claimed in await asyncio.gather(*calls) for row in claimed]
    assert sorted(rows) == list(range(40))


async def test_the_budget_lock_excludes_other_processes(replicas: tuple[StateStore, StateStore]) -> None:
    def raise_by_one(tx: Transaction) -> None:
        tx.budgets.lock(v.P)
        tx.pool.acknowledge(v.P, "counter", tx.pool.acknowledged(v.P, "counter") + 1, v.NOW)

    await asyncio.gather(*(replicas[n % 2].write(raise_by_one) for n in range(60)))
    assert await replicas[1].read(lambda tx: tx.pool.acknowledged(v.P, "counter")) == 60


async def test_units_that_deadlock_are_run_again(replicas: tuple[StateStore, StateStore]) -> None:
    both = threading.Barrier(2, timeout=30)
    attempts: list[str] = []

    def crossing(tx: Transaction, first: str, second: str) -> None:
        attempts.append(first)
        tx.pool.acknowledge(v.P, first, 1, v.NOW)
        if len(attempts) <= 2:
            both.wait()
        tx.pool.acknowledge(v.P, second, 2, v.NOW)

    await asyncio.gather(
        replicas[0].write(partial(crossing, first="a", second="b")),
        replicas[1].write(partial(crossing, first="b", second="a")),
    )
    assert len(attempts) > 2
    assert await replicas[0].read(lambda tx: {tx.pool.acknowledged(v.P, u) for u in ("a", "b")}) == {1, 2}


async def test_a_unit_that_deadlocks_in_a_group_is_run_again_without_it(
    replicas: tuple[StateStore, StateStore],
) -> None:
    grouped, other = replicas
    both = threading.Barrier(2, timeout=30)
    met: list[str] = []

    def first_the_row(tx: Transaction) -> None:
        tx.pool.acknowledge(v.P, "row", 1, v.NOW)
        if "row" not in met:
            met.append("row")
            both.wait()
        tx.budgets.lock(v.P)

    def in_a_group(tx: Transaction) -> None:
        if "group" not in met:
            met.append("group")
            both.wait()
        tx.pool.acknowledge(v.P, "row", 2, v.NOW)

    def acknowledge(tx: Transaction, upload: str) -> None:
        tx.pool.acknowledge(v.P, upload, 1, v.NOW)

    beside = [grouped.write(partial(acknowledge, upload=f"u{n}"), project=v.P) for n in range(5)]
    async with asyncio.timeout(30):
        await asyncio.gather(other.write(first_the_row), grouped.write(in_a_group, project=v.P), *beside)
    # Which of both the database gives up, and so which writes last, is its choice.
    *beside_them, row = await other.read(lambda tx: [tx.pool.acknowledged(v.P, u) for u in ("u0", "u4", "row")])
    assert beside_them == [1, 1]
    assert row in (1, 2)


async def test_a_unit_that_fails_in_a_group_takes_nothing_with_it(replicas: tuple[StateStore, StateStore]) -> None:
    store, other = replicas
    await store.write(lambda tx: tx.labeling.add_batch(v.batch(), [v.pick(row) for row in range(6)]))

    def fails(tx: Transaction) -> None:
        claim(tx, "ann", 3)
        raise LookupError("own error of the caller")

    def holds_the_lock(tx: Transaction) -> None:
        tx.budgets.lock(v.P)

    busy, go_on = await while_open(other, holds_the_lock)
    units: list[Callable[[Transaction], object]] = [
        partial(claim, annotator="ann", count=2),
        fails,
        partial(claim, annotator="ann", count=2),
    ]
    waiting = [asyncio.create_task(store.write(unit, project=v.P)) for unit in units]
    await asyncio.sleep(0)
    go_on.set()
    await busy
    claimed = await asyncio.gather(*waiting, return_exceptions=True)
    assert claimed[0] == [0, 1]
    assert isinstance(claimed[1], LookupError)
    assert claimed[2] == [2, 3]


async def test_a_conflict_that_stays_is_reported(replicas: tuple[StateStore, StateStore]) -> None:
    def conflicts(tx: Transaction) -> None:
        raise psycopg.errors.SerializationFailure("again")

    with pytest.raises(Aborted, match="10 attempts"):
        await replicas[0].write(conflicts)


async def test_a_read_is_one_snapshot(replicas: tuple[StateStore, StateStore]) -> None:
    first, second = replicas
    seen: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    def twice(tx: Transaction) -> None:
        seen.append(tx.pool.acknowledged(v.P, "u"))
        started.set()
        assert go_on.wait(30)
        seen.append(tx.pool.acknowledged(v.P, "u"))

    reading = asyncio.create_task(first.read(twice))
    await asyncio.to_thread(started.wait, 30)
    await second.write(lambda tx: tx.pool.acknowledge(v.P, "u", 5, v.NOW))
    go_on.set()
    await reading
    assert seen == [0, 0]


async def test_reads_cannot_write(replicas: tuple[StateStore, StateStore]) -> None:
    with pytest.raises(Unavailable):
        await replicas[0].read(lambda tx: tx.pool.acknowledge(v.P, "u", 5, v.NOW))


async def test_a_name_is_held_across_processes(replicas: tuple[StateStore, StateStore]) -> None:
    first, second = replicas
    async with first.exclusive("trainer/p1") as mine, second.exclusive("trainer/p1") as theirs:
        assert (mine, theirs) == (True, False)
    async with second.exclusive("trainer/p1") as theirs:
        assert theirs is True


HOLD = """
import asyncio, sys
from nextlabel.server.store.state_store import open_state_store

async def main():
    async with open_state_store(sys.argv[1]).exclusive("trainer/p1") as mine:
        print(mine, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def test_a_name_is_free_again_when_its_holder_is_killed(
    replicas: tuple[StateStore, StateStore], postgres_url: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, postgres_url, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"True\n"
    async with replicas[0].exclusive("trainer/p1") as mine:
        assert mine is False
    holder.kill()
    await holder.wait()
    async with asyncio.timeout(30):
        while True:
            async with replicas[0].exclusive("trainer/p1") as mine:
                if mine:
                    return


async def test_lost_connections_are_replaced(replicas: tuple[StateStore, StateStore], postgres_url: str) -> None:
    await replicas[0].write(lambda tx: tx.pool.acknowledge(v.P, "u", 1, v.NOW))
    with psycopg.connect(plain(postgres_url), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert await replicas[0].read(lambda tx: tx.pool.acknowledged(v.P, "u")) == 1


async def test_a_connection_lost_within_a_unit_is_reported(
    replicas: tuple[StateStore, StateStore], postgres_url: str
) -> None:
    def loses_it(tx: Transaction) -> None:
        tx.pool.acknowledge(v.P, "u", 1, v.NOW)
        with psycopg.connect(plain(postgres_url), autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND state = 'idle in transaction'"
            )
        tx.pool.acknowledge(v.P, "u", 2, v.NOW)

    with pytest.raises(Unavailable, match="cannot be reached"):
        await replicas[0].write(loses_it)
    assert await replicas[0].read(lambda tx: tx.pool.acknowledged(v.P, "u")) == 0


async def test_text_that_postgres_cannot_hold_is_refused(replicas: tuple[StateStore, StateStore]) -> None:
    for upload in ("nul \x00", "surrogate \ud800"):
        with pytest.raises(InvalidArgument, match="cannot be stored"):
            await replicas[0].write(lambda tx, u=upload: tx.pool.acknowledge(v.P, u, 1, v.NOW))  # type: ignore[misc]


async def test_reads_do_not_wait_for_writers_that_wait(replicas: tuple[StateStore, StateStore]) -> None:
    store, _ = replicas

    def annotate(tx: Transaction, number: int) -> None:
        tx.labeling.add_annotations([v.annotation(number)])

    slow, go_on = await while_open(store, partial(annotate, number=0))
    waiting = [asyncio.create_task(store.write(partial(annotate, number=n))) for n in range(1, 20)]
    async with asyncio.timeout(20):
        assert await store.read(lambda tx: tx.labeling.count_annotations(v.P)) == 0
    go_on.set()
    await asyncio.gather(slow, *waiting)
    assert await store.read(lambda tx: tx.labeling.count_annotations(v.P)) == 20


async def test_all_who_wait_for_a_lock_try_on_one_session(
    replicas: tuple[StateStore, StateStore], postgres_url: str
) -> None:
    first, second = replicas
    done: list[int] = []

    async def wait(number: int) -> None:
        async with second.held("work"):
            done.append(number)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group, first.held("work"):
        [holder] = await asyncio.to_thread(lock_sessions, postgres_url)
        for number in range(8):
            group.create_task(wait(number))
        earlier = now = await tries_of_others(postgres_url, holder)
        while not earlier or now == earlier:
            earlier, now = earlier or now, await tries_of_others(postgres_url, holder)
        assert now.keys() == earlier.keys()
        assert len(now) == 1
        assert not done
    assert done == list(range(8))


async def tries_of_others(url: str, holder: int) -> dict[int, object]:
    found = await asyncio.to_thread(lock_sessions, url)
    return {pid: at for pid, at in found.items() if pid != holder}


def lock_sessions(url: str) -> dict[int, object]:
    """Return the sessions that have tried to get a named lock, with the time of the last try."""
    tried = "SELECT pid, query_start FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_lock%'"
    with psycopg.connect(plain(url)) as db:
        return dict(db.execute(tried).fetchall())

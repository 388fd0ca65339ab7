from dataclasses import replace

import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import Aborted
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.budgets import Budget, Limit, Window
from nextlabel.server.values.money.costs import Cost, Usage
from nextlabel.server.values.money.ledger import LedgerEntry, LedgerKind
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer
from tests.store import values as v

OTHER = ProjectId("p2")


@pytest.fixture
async def funded(store: StateStore) -> StateStore:
    """A store with two projects."""
    await store.write(v.inserted(v.project("p1"), v.project("p2")))
    return store


def budget(run: str = "", window: Window = Window.TOTAL, labels: int | None = 10) -> Budget:
    day = "2026-03-04" if window is Window.DAY else ""
    return Budget(v.P, run, window, Limit(labels, None, 2**62), Cost(1, 2, 3), Cost(4, 5, 6), day, v.NOW)


async def test_budgets_are_replaced_per_project_run_and_window(funded: StateStore) -> None:
    def put(tx: Transaction) -> None:
        tx.budgets.lock(v.P)
        for each in (budget(), budget(window=Window.DAY), budget("run-1"), budget(labels=None)):
            tx.budgets.put_budget(each)

    await funded.write(put)
    own = await funded.read(lambda tx: tx.budgets.budget(v.P, ""))
    assert sorted(own, key=lambda b: b.window) == [budget(window=Window.DAY), budget(labels=None)]
    assert list(await funded.read(lambda tx: tx.budgets.budget(v.P, "run-1"))) == [budget("run-1")]
    assert len(await funded.read(lambda tx: tx.budgets.budgets(v.P))) == 3
    assert list(await funded.read(lambda tx: tx.budgets.budgets(OTHER))) == []


async def test_reservations_stay_open_until_closed(funded: StateStore) -> None:
    first, second = v.reservation("r1", "key"), v.reservation("r2")
    await funded.write(lambda tx: tx.budgets.add_reservation(first))
    await funded.write(lambda tx: tx.budgets.add_reservation(second))
    assert await funded.read(lambda tx: tx.budgets.reservation("r1")) == first
    assert await funded.read(lambda tx: tx.budgets.open_reservation(v.P, "key")) == first
    assert await funded.read(lambda tx: tx.budgets.open_reservation(OTHER, "key")) is None
    closed = replace(first, remaining=Cost(), open=False)
    await funded.write(lambda tx: tx.budgets.update_reservation(closed))
    assert await funded.read(lambda tx: tx.budgets.reservation("r1")) == closed
    assert await funded.read(lambda tx: tx.budgets.open_reservation(v.P, "key")) is None
    assert list(await funded.read(lambda tx: tx.budgets.open_reservations(v.P))) == [second]
    with pytest.raises(Aborted):
        await funded.write(lambda tx: tx.budgets.update_reservation(v.reservation("none")))


async def test_what_was_presumed_of_reservations_is_summed(funded: StateStore) -> None:
    lost = Cost(0, 40, 500)
    for number, run in enumerate(("run-1", "run-2", "")):
        opened = replace(v.reservation(f"r{number}", f"key-{number}"), run=run)
        await funded.write(lambda tx, new=opened: tx.budgets.add_reservation(new))  # type: ignore[misc]
        closed = replace(opened, remaining=Cost(), open=False, presumed=lost)
        await funded.write(lambda tx, known=closed: tx.budgets.update_reservation(known))  # type: ignore[misc]
    assert await funded.read(lambda tx: tx.budgets.presumed(v.P)) == Cost(0, 120, 1_500)
    assert await funded.read(lambda tx: tx.budgets.presumed(v.P, "run-2")) == lost
    assert await funded.read(lambda tx: tx.budgets.presumed(OTHER)) == Cost()


async def test_old_reservations_of_calls_are_found_in_all_projects(funded: StateStore) -> None:
    reservations = [
        replace(v.reservation("old", "a"), run=""),
        replace(v.reservation("elsewhere", "b", OTHER), run=""),
        replace(v.reservation("new", "c"), run="", created_at=v.at(60)),
        replace(v.reservation("closed", "d"), run="", open=False),
        v.reservation("of a run", "e"),
        replace(v.reservation("of a lease"), run=""),
    ]

    def add(tx: Transaction) -> None:
        for reservation in reservations:
            tx.budgets.add_reservation(reservation)

    await funded.write(add)
    assert list(await funded.read(lambda tx: tx.budgets.reservations_of_calls(v.at(60)))) == reservations[:2]


async def test_one_open_reservation_for_each_key(funded: StateStore) -> None:
    await funded.write(lambda tx: tx.budgets.add_reservation(v.reservation("r1", "key")))
    with pytest.raises(Aborted):
        await funded.write(lambda tx: tx.budgets.add_reservation(v.reservation("r2", "key")))
    await funded.write(lambda tx: tx.budgets.add_reservation(v.reservation("r3", "key", OTHER)))
    done = replace(v.reservation("r1", "key"), open=False)
    await funded.write(lambda tx: tx.budgets.update_reservation(done))
    await funded.write(lambda tx: tx.budgets.add_reservation(v.reservation("r4", "key")))


def entry(kind: LedgerKind, amount: Cost, run: str = "", of: ProjectId = v.P) -> LedgerEntry:
    return LedgerEntry(0, of, run, "r1", "annotation", kind, amount, v.NOW)


async def test_the_ledger_keeps_every_line_in_order(funded: StateStore) -> None:
    settle, reserve = LedgerKind.SETTLE, LedgerKind.RESERVE
    lines = [
        entry(reserve, Cost(1, 2, 2**40), "run-1"),
        entry(settle, Cost(1, 1, 5), "run-1"),
        entry(settle, Cost(2, 0, 2**53 + 1)),
    ]

    def append(tx: Transaction) -> None:
        for line in (lines[0], entry(settle, Cost(9, 9, 9), of=OTHER), *lines[1:]):
            tx.budgets.append(line)

    await funded.write(append)
    stored = await funded.read(lambda tx: tx.budgets.entries(v.P))
    assert [replace(e, id=0) for e in stored] == lines
    after = stored[0].id
    assert list(await funded.read(lambda tx: tx.budgets.entries(v.P, after_id=after, limit=1))) == [stored[1]]
    assert list(await funded.read(lambda tx: tx.budgets.entries(v.P, "run-1"))) == list(stored[:2])
    assert await funded.read(lambda tx: tx.budgets.total(v.P, settle)) == Cost(3, 1, 2**53 + 6)
    assert await funded.read(lambda tx: tx.budgets.total(v.P, settle, "run-1")) == Cost(1, 1, 5)
    assert await funded.read(lambda tx: tx.budgets.total(v.P, LedgerKind.RELEASE)) == Cost()


async def test_a_paid_answer_is_kept_under_each_key_and_the_first_stays(funded: StateStore) -> None:
    first = StoredAnswer({"k1": "1", "k2": "2"}, b"\x00raw\xff", Usage(3, 4), Cost(0, 7, 9), "req", 12.5)
    later = StoredAnswer({"k2": "1", "k3": "2"}, b"other", Usage(), Cost())
    await funded.write(lambda tx: tx.budgets.put_answer(v.P, first, v.NOW))
    await funded.write(lambda tx: tx.budgets.put_answer(v.P, later, v.NOW))
    for key, answer in (("k1", first), ("k2", first), ("k3", later), ("k4", None)):
        assert await funded.read(lambda tx, k=key: tx.budgets.answer(v.P, k)) == answer  # type: ignore[misc]
    assert await funded.read(lambda tx: tx.budgets.answer(OTHER, "k1")) is None


async def test_batch_intents_are_replaced_until_finished(funded: StateStore) -> None:
    first = MessageBatchIntent("i1", 12.5, {"c": {"k": "1"}}, {"c": Cost(1, 2, 3)}, "annotation", "model")
    second = replace(first, intent_id="i2", batch_id="b2")
    await funded.write(lambda tx: tx.budgets.put_intent(v.P, first))
    await funded.write(lambda tx: tx.budgets.put_intent(v.P, second))
    created = replace(first, batch_id="msgbatch_1")
    await funded.write(lambda tx: tx.budgets.put_intent(v.P, created))
    assert list(await funded.read(lambda tx: tx.budgets.intents(v.P))) == [created, second]
    await funded.write(lambda tx: tx.budgets.delete_intent(v.P, "i1"))
    assert list(await funded.read(lambda tx: tx.budgets.intents(v.P))) == [second]

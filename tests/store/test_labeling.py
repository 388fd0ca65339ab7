import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.batches import Pick
from nextlabel.server.values.labeling.leases import LeaseState
from tests.store import values as v


@pytest.fixture
async def labeled(store: StateStore) -> StateStore:
    """A store with a project and two batches of three picks: rows 30, 20, 10 and rows 50, 40, 10."""

    def fill(tx: Transaction) -> None:
        tx.projects.insert(v.project())
        tx.labeling.add_batch(v.batch("b1"), [v.pick(row, "b1", i) for i, row in enumerate((30, 20, 10))])
        tx.labeling.add_batch(v.batch("b2", run="run-2"), [v.pick(row, "b2", i) for i, row in enumerate((50, 40, 10))])

    await store.write(fill)
    return store


def claim(
    tx: Transaction, annotator: str, count: int = 10, overlap: int = 1, passed_over: Sequence[str] = ()
) -> list[int]:
    picks = tx.labeling.claim_open_picks(v.P, annotator, overlap, count, passed_over)
    return [p.row for p in picks]


async def test_batches_and_picks_come_back(labeled: StateStore) -> None:
    assert await labeled.read(lambda tx: tx.labeling.batch("b1")) == v.batch("b1")
    assert await labeled.read(lambda tx: tx.labeling.batch("none")) is None
    batches = await labeled.read(lambda tx: [b.id for b in tx.labeling.batches(v.P)])
    assert batches == ["b1", "b2"]
    assert await labeled.read(lambda tx: [b.id for b in tx.labeling.batches(v.P, "run-2")]) == ["b2"]
    expected = [v.pick(30, "b1", 0), v.pick(20, "b1", 1), v.pick(10, "b1", 2)]
    assert list(await labeled.read(lambda tx: tx.labeling.picks("b1"))) == expected
    assert list(await labeled.read(lambda tx: tx.labeling.open_rows(v.P, 1))) == [10, 20, 30, 40, 50]
    assert list(await labeled.read(lambda tx: tx.labeling.picked_rows(v.P, "run-2"))) == [10, 40, 50]
    assert list(await labeled.read(lambda tx: tx.labeling.picked_rows(v.P, "", times=2))) == []


async def test_what_an_annotator_ever_had_on_a_lease_is_known(labeled: StateStore) -> None:
    def work(tx: Transaction) -> list[list[int]]:
        tx.labeling.add_lease(v.lease("l1"), [v.lease_item(row) for row in (30, 10)])
        tx.labeling.add_lease(v.lease("l2"), [v.lease_item(10, "l2"), v.lease_item(90, "l2", "gone")])
        tx.labeling.add_lease(v.lease("l3", "bob"), [v.lease_item(20, "l3")])
        tx.labeling.set_lease("l1", LeaseState.RELEASED, v.at(0))
        leased = partial(tx.labeling.rows_leased_to, v.P)
        return [list(leased(*of)) for of in (("ann", [90, 10, 20]), ("bob", [10, 20]), ("cid", [10]), ("ann", []))]

    assert await labeled.write(work) == [[10, 90], [20], [], []]


async def test_claims_go_through_the_oldest_batch_first(labeled: StateStore) -> None:
    claimed = await labeled.write(lambda tx: tx.labeling.claim_open_picks(v.P, "ann", 1, 2))
    assert list(claimed) == [v.pick(30, "b1", 0), v.pick(20, "b1", 1)]
    assert await labeled.write(lambda tx: claim(tx, "bob", 2)) == [10, 50]
    taken = await labeled.read(lambda tx: [p.slots_taken for p in tx.labeling.picks("b1")])
    assert taken == [1, 1, 1]


async def test_a_row_in_two_batches_is_claimed_once_by_an_annotator(labeled: StateStore) -> None:
    assert await labeled.write(lambda tx: claim(tx, "ann")) == [30, 20, 10, 50, 40]


async def test_deleted_rows_are_not_claimed(labeled: StateStore) -> None:
    await labeled.write(lambda tx: tx.pool.delete_rows(v.P, [20, 50], v.NOW))
    assert await labeled.write(lambda tx: claim(tx, "ann")) == [30, 10, 40]


async def test_claims_pass_over_runs_that_ask_others(labeled: StateStore) -> None:
    passed_over = [v.batch("b1").run, "no run"]
    assert await labeled.write(lambda tx: claim(tx, "ann", passed_over=passed_over)) == [50, 40, 10]
    assert await labeled.write(lambda tx: claim(tx, "bob", passed_over=["run-2"])) == [30, 20, 10]


async def test_overlap_offers_a_pick_to_others_but_never_twice_to_one(labeled: StateStore) -> None:
    def leased(tx: Transaction) -> list[int]:
        picks = tx.labeling.claim_open_picks(v.P, "ann", 2, 2)
        items = [v.lease_item(p.row, "l1", p.batch) for p in picks]
        tx.labeling.add_lease(v.lease("l1", "ann"), items)
        return [p.row for p in picks]

    assert await labeled.write(leased) == [30, 20]
    assert await labeled.write(lambda tx: claim(tx, "ann", 1, 2)) == [10]
    assert await labeled.write(lambda tx: claim(tx, "bob", 2, 2)) == [30, 20]
    assert await labeled.write(lambda tx: claim(tx, "eve", 2, 2)) == [10, 50]


async def test_what_was_skipped_or_released_decides_what_is_offered_again(labeled: StateStore) -> None:
    def leased(tx: Transaction) -> None:
        picks = tx.labeling.claim_open_picks(v.P, "ann", 1, 2)
        tx.labeling.add_lease(v.lease("l1", "ann"), [v.lease_item(p.row, "l1", p.batch) for p in picks])
        tx.labeling.add_annotations([v.annotation(30, "ann", "b1", label=None)])
        tx.labeling.mark_answered("l1", [30])
        tx.labeling.free_slots([("b1", 20), ("b1", 30)])
        tx.labeling.set_lease("l1", LeaseState.RELEASED, v.at(60))

    await labeled.write(leased)
    assert await labeled.write(lambda tx: claim(tx, "ann", 2)) == [20, 10]
    assert await labeled.write(lambda tx: claim(tx, "bob", 1)) == [30]


async def test_concurrent_claims_never_pass_the_overlap(store: StateStore) -> None:
    picks = [v.pick(row) for row in range(60)]
    await store.write(v.picked(*picks))
    claims = await asyncio.gather(
        *(store.write(partial(claim, annotator=f"ann-{a}", count=7, overlap=2)) for a in range(20))
    )
    rows = [row for claimed in claims for row in claimed]
    assert max(rows.count(row) for row in rows) <= 2
    assert all(len(set(claimed)) == len(claimed) for claimed in claims)
    left = await store.write(lambda tx: claim(tx, "last", 60, overlap=2))
    assert len(rows) + len(left) == 120 or set(left) == set(range(60)) - {r for r in rows if rows.count(r) == 2}


async def test_slots_taken_without_a_lease_close_a_pick(labeled: StateStore) -> None:
    await labeled.write(lambda tx: tx.labeling.take_slots([("b1", 30), ("b1", 20), ("none", 1)]))
    assert await labeled.write(lambda tx: claim(tx, "ann", 1)) == [10]


async def test_a_row_answered_outside_of_its_pick_is_offered_to_nobody_until_it_is_selected_anew(
    labeled: StateStore,
) -> None:
    await labeled.write(lambda tx: tx.labeling.add_annotations([v.annotation(30, "eve", batch="")]))
    assert await labeled.write(lambda tx: claim(tx, "ann", 1)) == [20]
    again = replace(v.batch("b3"), created_at=v.at(1))
    await labeled.write(lambda tx: tx.labeling.add_batch(again, [v.pick(30, "b3", 0)]))
    assert await labeled.write(lambda tx: claim(tx, "bob")) == [10, 50, 40, 30]


async def test_a_row_on_lease_through_one_pick_is_not_offered_through_another(labeled: StateStore) -> None:
    def leased(tx: Transaction) -> list[int]:
        picks = tx.labeling.claim_open_picks(v.P, "ann", 1, 3)
        tx.labeling.add_lease(v.lease("l1", "ann"), [v.lease_item(p.row, "l1", p.batch) for p in picks])
        return list(tx.labeling.leased_rows(v.P))

    assert await labeled.write(leased) == [10, 20, 30]
    assert await labeled.write(lambda tx: claim(tx, "bob")) == [50, 40]


async def test_leases_and_their_items(labeled: StateStore) -> None:
    items = [v.lease_item(20), v.lease_item(10), v.lease_item(30)]
    await labeled.write(lambda tx: tx.labeling.add_lease(v.lease(), items))
    assert await labeled.read(lambda tx: tx.labeling.lease("l1")) == v.lease()
    assert await labeled.read(lambda tx: tx.labeling.lease("none")) is None
    await labeled.write(lambda tx: tx.labeling.mark_answered("l1", [10, 30]))
    expected = [items[0], replace(items[1], answered=True), replace(items[2], answered=True)]
    assert list(await labeled.read(lambda tx: tx.labeling.lease_items("l1"))) == expected
    await labeled.write(lambda tx: tx.labeling.set_lease("l1", LeaseState.DONE, v.at(9)))
    done = replace(v.lease(), state=LeaseState.DONE, expires_at=v.at(9))
    assert await labeled.read(lambda tx: tx.labeling.lease("l1")) == done


async def test_expired_leases_are_found_earliest_first(labeled: StateStore) -> None:
    def leases(tx: Transaction) -> None:
        tx.projects.insert(v.project("p2"))
        for name, expires in (("late", 30), ("early", 10), ("active", 99), ("ended", 5)):
            tx.labeling.add_lease(v.lease(name, expires=expires), [])
        tx.labeling.add_lease(v.lease("elsewhere", of=ProjectId("p2"), expires=20), [])
        tx.labeling.set_lease("ended", LeaseState.RELEASED, v.at(5))

    await labeled.write(leases)

    async def expired(project: ProjectId | None, limit: int = 10) -> list[str]:
        return await labeled.write(lambda tx: [x.id for x in tx.labeling.expired_leases(project, v.at(30), limit)])

    assert await expired(None) == ["early", "elsewhere", "late"]
    assert await expired(v.P) == ["early", "late"]
    assert await expired(None, 1) == ["early"]
    assert await labeled.read(lambda tx: tx.labeling.active_leases(v.P)) == 3


async def test_an_annotation_is_added_once_and_never_changed(labeled: StateStore) -> None:
    first = [v.annotation(30), v.annotation(30, "bob"), v.annotation(30)]
    assert list(await labeled.write(lambda tx: tx.labeling.add_annotations(first))) == [True, True, False]
    second = [v.annotation(30, label="b"), v.annotation(30, batch="b2"), v.annotation(20, label=None, run="run-2")]
    assert list(await labeled.write(lambda tx: tx.labeling.add_annotations(second))) == [False, True, True]
    stored = await labeled.read(lambda tx: tx.labeling.annotations(v.P))
    assert [replace(a, id=0) for a in stored] == [first[0], first[1], second[1], second[2]]
    ids = [a.id for a in stored]
    assert ids == sorted(set(ids))
    assert min(ids) > 0
    assert await labeled.read(lambda tx: tx.labeling.count_annotations(v.P)) == 3
    assert await labeled.read(lambda tx: tx.labeling.count_annotations(v.P, "run-2")) == 0


async def test_of_annotations_that_are_the_same_in_one_call_the_first_is_added(labeled: StateStore) -> None:
    odd = [replace(v.annotation(row), item_id=f'{row} "\\\u00e9,{{}}\n\U0001f600') for row in (30, 10, 30, 20)]
    assert await labeled.write(lambda tx: list(tx.labeling.add_annotations(odd))) == [True, True, False, True]
    kept = await labeled.read(lambda tx: tx.labeling.annotations(v.P))
    assert [a.item_id for a in kept] == [odd[0].item_id, odd[1].item_id, odd[3].item_id]
    asked = [20, 30, 20, 30]
    assert [a.row for a in await labeled.read(lambda tx: tx.labeling.annotations(v.P, rows=asked))] == [30, 20]


async def test_annotations_are_filtered_and_paged(labeled: StateStore) -> None:
    runs = ["", "r1", "r1", "r2"]
    rows_of_runs = zip((30, 20, 10, 40), runs, strict=True)
    added = [v.annotation(row, "bob" if row == 40 else "ann", run=run) for row, run in rows_of_runs]
    await labeled.write(lambda tx: tx.labeling.add_annotations(added))

    async def rows(**filters: object) -> list[int]:
        return await labeled.read(lambda tx: [a.row for a in tx.labeling.annotations(v.P, **filters)])  # type: ignore[arg-type]

    assert await rows() == [30, 20, 10, 40]
    assert await rows(rows=[10, 30, 99]) == [30, 10]
    assert await rows(rows=[]) == []
    assert await rows(run="r1") == [20, 10]
    assert await rows(annotator="bob") == [40]
    assert await rows(rows=[30, 40], annotator="ann") == [30]
    assert await rows(limit=3) == [30, 20, 10]
    second = (await labeled.read(lambda tx: tx.labeling.annotations(v.P)))[1].id
    assert await rows(after_id=second, limit=1) == [10]
    assert await rows(rows=[10, 20], run="r1", after_id=second) == [10]


async def test_a_score_without_a_number_survives(store: StateStore) -> None:
    odd = [Pick("b1", i, i, "x", score, audit=True) for i, score in enumerate((float("inf"), float("nan")))]
    await store.write(v.picked(*odd))
    stored = await store.read(lambda tx: tx.labeling.picks("b1"))
    assert [str(p.score) for p in stored] == ["inf", "nan"]
    assert stored[0].audit is True


async def test_rows_are_found_by_strings_of_any_characters(store: StateStore) -> None:
    odd = ["", " ", "NULL", "{}", "a,b", '"', "\\", '\\"', "'", "%s", "\u00e9\n\U0001f600"]

    def work(tx: Transaction) -> dict[str, str]:
        tx.projects.insert(v.project())
        tx.pool.put_replay_labels(v.P, "set", [(item, "label") for item in [*odd, "other"]])
        return dict(tx.pool.replay_labels(v.P, "set", odd))

    assert await store.write(work) == dict.fromkeys(odd, "label")

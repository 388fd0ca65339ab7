"""Leases and picks over every backend against lists of what should be there."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.labeling.leases import LeaseState
from tests.store import values as v
from tests.store.conftest import BACKENDS
from tests.store.machines import MODERATE, StoreMachine

annotators = st.sampled_from(["ann", "bob", "eve"])
OVERLAP = 2


@dataclass
class ModelPick:
    batch: str
    row: int
    taken: int = 0


@dataclass
class ModelLease:
    id: str
    annotator: str
    expires: int
    picked: list[ModelPick]
    open: list[ModelPick]
    active: bool = True


class LabelingMachine(StoreMachine):
    """Claims, answers, releases and expiry in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.picks: list[ModelPick] = []
        self.leases: list[ModelLease] = []
        self.answers: list[tuple[int, str, str]] = []

    def rows_of(self, annotator: str) -> set[int]:
        leased = {p.row for x in self.leases if x.active and x.annotator == annotator for p in x.picked}
        return leased | {row for row, by, _ in self.answers if by == annotator}

    def places(self, row: int) -> int:
        """How many hold a row or have answered it: all batches here are as old as all answers."""
        held = sum(p.row == row for x in self.leases if x.active for p in x.open)
        return held + len({by for of, by, _ in self.answers if of == row})

    @rule(rows=st.lists(st.integers(0, 12), unique=True, min_size=1, max_size=5))
    def select(self, rows: list[int]) -> None:
        batch = self.unique("b")
        picks = [v.pick(row, batch, position) for position, row in enumerate(rows)]
        self.write(lambda tx: tx.labeling.add_batch(v.batch(batch, self.project), picks))
        self.picks += [ModelPick(batch, row) for row in rows]

    @rule(annotator=annotators, count=st.integers(1, 4), overlap=st.integers(1, OVERLAP), ttl=st.integers(1, 9))
    def lease(self, annotator: str, count: int, overlap: int, ttl: int) -> None:
        taken = self.rows_of(annotator)
        expected: list[ModelPick] = []
        for pick in self.picks:
            if pick.row in taken or len(expected) == count:
                continue
            if pick.taken < overlap and self.places(pick.row) < overlap:
                taken.add(pick.row)
                expected.append(pick)
        name = self.unique("l")

        def work(tx: Transaction) -> list[tuple[str, int, int]]:
            claimed = tx.labeling.claim_open_picks(self.project, annotator, overlap, count)
            lease = v.lease(name, annotator, self.project, self.now + ttl)
            tx.labeling.add_lease(lease, [v.lease_item(p.row, name, p.batch) for p in claimed])
            return [(p.batch, p.row, p.slots_taken) for p in claimed]

        assert self.write(work) == [(p.batch, p.row, p.taken) for p in expected]
        for pick in expected:
            pick.taken += 1
        self.leases.append(ModelLease(name, annotator, self.now + ttl, expected, list(expected)))

    @rule(data=st.data())
    def submit(self, data: st.DataObject) -> None:
        if not self.leases:
            return
        lease = data.draw(st.sampled_from(self.leases))
        answered = [p for p in lease.open if data.draw(st.booleans())] if lease.active else []
        annotations = [
            replace(v.annotation(p.row, lease.annotator, p.batch, of=self.project), item_id=f"item-{p.row}")
            for p in answered
        ]

        def work(tx: Transaction) -> list[bool]:
            tx.labeling.mark_answered(lease.id, [p.row for p in answered])
            return list(tx.labeling.add_annotations([*annotations, *annotations]))

        assert self.write(work) == [True] * len(answered) + [False] * len(answered)
        self.answers += [(p.row, lease.annotator, p.batch) for p in answered]
        lease.open = [p for p in lease.open if p not in answered]

    def end(self, tx: Transaction, lease: ModelLease, state: LeaseState) -> None:
        open_items = [(i.batch, i.row) for i in tx.labeling.lease_items(lease.id) if not i.answered]
        assert open_items == [(p.batch, p.row) for p in lease.open]
        tx.labeling.free_slots(open_items)
        tx.labeling.set_lease(lease.id, state, v.at(lease.expires))

    def ended(self, lease: ModelLease) -> None:
        lease.active = False
        for pick in lease.open:
            pick.taken -= 1

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        active = [x for x in self.leases if x.active]
        if active:
            lease = data.draw(st.sampled_from(active))
            self.write(lambda tx: self.end(tx, lease, LeaseState.RELEASED))
            self.ended(lease)

    @rule(seconds=st.integers(1, 5))
    def expire(self, seconds: int) -> None:
        self.now += seconds
        due = sorted((x for x in self.leases if x.active and x.expires <= self.now), key=lambda x: x.expires)

        def work(tx: Transaction) -> list[str]:
            found = [x.id for x in tx.labeling.expired_leases(self.project, v.at(self.now), 100)]
            for lease in due:
                self.end(tx, lease, LeaseState.EXPIRED)
            return found

        assert self.write(work) == [x.id for x in due]
        for lease in due:
            self.ended(lease)

    @invariant()
    def the_store_agrees(self) -> None:
        def everything(tx: Transaction) -> tuple[object, ...]:
            picks = [p for b in tx.labeling.batches(self.project) for p in tx.labeling.picks(b.id)]
            return (
                [(p.batch, p.row, p.slots_taken) for p in picks],
                list(tx.labeling.picked_rows(self.project, "")),
                list(tx.labeling.open_rows(self.project, OVERLAP)),
                list(tx.labeling.leased_rows(self.project)),
                [(a.row, a.annotator, a.batch) for a in tx.labeling.annotations(self.project)],
                tx.labeling.active_leases(self.project),
            )

        assert self.read(everything) == (
            [(p.batch, p.row, p.taken) for p in self.picks],
            sorted({p.row for p in self.picks}),
            sorted({p.row for p in self.picks if p.taken < OVERLAP}),
            sorted({p.row for x in self.leases if x.active for p in x.open}),
            self.answers,
            sum(x.active for x in self.leases),
        )

    @invariant()
    def no_pick_is_given_out_more_often_than_asked(self) -> None:
        assert all(0 <= p.taken <= OVERLAP for p in self.picks)


@pytest.mark.parametrize("kind", BACKENDS)
def test_leases_and_picks_follow_the_model(kind: str, open_store: Callable[[str], StateStore]) -> None:
    with asyncio.Runner() as runner:
        store = open_store(kind)
        machine = type("Machine", (LabelingMachine,), {"store": store, "loop": runner})
        try:
            run_state_machine_as_test(machine, settings=MODERATE)
        finally:
            runner.run(store.close())

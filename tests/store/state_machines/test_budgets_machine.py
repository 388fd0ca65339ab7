"""Budgets, reservations and the ledger over every backend against sums of what was booked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import BudgetExhausted
from nextlabel.server.values.money.budgets import Window
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.money.ledger import LedgerKind
from tests.store import values as v
from tests.store.conftest import BACKENDS
from tests.store.machines import MODERATE, StoreMachine

amounts = st.builds(Cost, st.integers(0, 3), st.integers(0, 40), st.integers(0, 900))
runs = st.sampled_from(["", "run-1"])


@dataclass
class Clock:
    seconds: float = 0

    def now(self) -> datetime:
        return v.at(self.seconds)


@dataclass
class Open:
    id: str
    run: str
    remaining: Cost


class BudgetMachine(StoreMachine):
    """Limits that move while reservations are made, settled and released."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Budgets(Clock(), lambda: self.unique("r"))
        self.limits: dict[str, int | None] = {}
        self.open: list[Open] = []
        self.settled: list[tuple[str, Cost]] = []
        self.abandoned: dict[str, Cost] = {}

    def spent(self, run: str) -> int:
        return sum(cost.micro_usd for of, cost in self.settled if run in ("", of))

    def reserved(self, run: str) -> int:
        return sum(r.remaining.micro_usd for r in self.open if run in ("", r.run))

    @rule(run=runs, limit=st.one_of(st.none(), st.integers(0, 3_000)))
    def set_limit(self, run: str, limit: int | None) -> None:
        dimension = BudgetDimension.MICRO_USD
        self.write(lambda tx: self.books.set_limit(tx, self.project, run, Window.TOTAL, dimension, limit))
        self.limits[run] = limit

    @rule(run=runs, worst=amounts)
    def reserve(self, run: str, worst: Cost) -> None:
        over = any(
            self.limits.get(of) is not None
            and worst.micro_usd
            and self.spent(of) + self.reserved(of) + worst.micro_usd > (self.limits[of] or 0)
            for of in {"", run}
        )

        def work(tx: Transaction) -> str:
            return self.books.reserve(tx, self.project, run, worst, "annotation").id

        if over:
            with pytest.raises(BudgetExhausted):
                self.write(work)
        else:
            self.open.append(Open(self.write(work), run, worst))

    @rule(data=st.data(), share=st.integers(0, 4), close=st.booleans())
    def settle(self, data: st.DataObject, share: int, close: bool) -> None:
        if not self.open:
            return
        reservation = data.draw(st.sampled_from(self.open))
        worst = reservation.remaining
        actual = Cost(worst.labels * share // 4, worst.tokens * share // 4, worst.micro_usd * share // 4)
        self.write(lambda tx: self.books.settle(tx, reservation.id, actual, close=close))
        self.settled.append((reservation.run, actual))
        reservation.remaining = reservation.remaining - actual
        if close:
            self.open.remove(reservation)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.open:
            reservation = data.draw(st.sampled_from(self.open))
            self.write(lambda tx: self.books.release(tx, reservation.id))
            self.open.remove(reservation)

    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        if self.open:
            reservation = data.draw(st.sampled_from(self.open))
            lost = replace(reservation.remaining, labels=0)
            self.write(lambda tx: self.books.abandon(tx, reservation.id))
            self.settled.append((reservation.run, lost))
            self.open.remove(reservation)
            self.abandoned[reservation.id] = lost

    @rule(data=st.data(), share=st.integers(0, 4))
    def settle_late(self, data: st.DataObject, share: int) -> None:
        """An owner that was taken for gone settles after all: within what was presumed, nothing more is booked."""
        if self.abandoned:
            late = data.draw(st.sampled_from(sorted(self.abandoned)))
            left = self.abandoned[late]
            actual = Cost(0, left.tokens * share // 4, left.micro_usd * share // 4)
            self.write(lambda tx: self.books.settle(tx, late, actual))
            self.abandoned[late] = left - actual

    @invariant()
    def balances_and_ledger_agree_with_what_was_booked(self) -> None:
        def everything(tx: Transaction) -> tuple[object, ...]:
            balances = {b.run: (b.spent.micro_usd, b.reserved.micro_usd) for b in tx.budgets.budgets(self.project)}
            open_ids = {(r.id, r.remaining) for r in tx.budgets.open_reservations(self.project)}
            settle = tx.budgets.total(self.project, LedgerKind.SETTLE)
            entries = tx.budgets.entries(self.project)
            reserve, release = (
                sum((e.amount for e in entries if e.kind is kind), start=Cost())
                for kind in (LedgerKind.RESERVE, LedgerKind.RELEASE)
            )
            return balances, open_ids, settle, reserve - release - settle, tx.budgets.presumed(self.project)

        assert self.read(everything) == (
            {run: (self.spent(run), self.reserved(run)) for run in self.limits},
            {(r.id, r.remaining) for r in self.open},
            sum((cost for _, cost in self.settled), start=Cost()),
            sum((r.remaining for r in self.open), start=Cost()),
            sum(self.abandoned.values(), start=Cost()),
        )


@pytest.mark.parametrize("kind", BACKENDS)
def test_budgets_follow_the_model(kind: str, open_store: Callable[[str], StateStore]) -> None:
    with asyncio.Runner() as runner:
        store = open_store(kind)
        machine = type("Machine", (BudgetMachine,), {"store": store, "loop": runner})
        try:
            run_state_machine_as_test(machine, settings=MODERATE)
        finally:
            runner.run(store.close())

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nextlabel.server.values.errors import BudgetExhausted, InvalidArgument
from nextlabel.server.values.money.budgets import Window
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.money.ledger import LedgerKind
from tests.domain.conftest import Desk

TOTAL, USD = Window.TOTAL, BudgetDimension.MICRO_USD


def limit(desk, project, bound, *, run="", window=TOTAL, dimension=USD):
    return desk.budgets.set_limit(desk.tx, project.id, run, window, dimension, bound)


def reserve(desk, project, micro_usd, *, run="", key=""):
    return desk.budgets.reserve(desk.tx, project.id, run, Cost(micro_usd=micro_usd), "annotation", key)


def test_the_rest_of_a_reservation_is_refunded(desk):
    project = desk.create()
    limit(desk, project, 100)
    reservation = reserve(desk, project, 80)
    desk.budgets.settle(desk.tx, reservation.id, Cost(micro_usd=30))
    (budget,) = desk.tx.budgets.budget(project.id, "")
    assert (budget.spent.micro_usd, budget.reserved.micro_usd) == (30, 0)
    reserve(desk, project, 70)
    with pytest.raises(BudgetExhausted, match=r"\$0\.000100: \$0\.000100 spent or reserved, \$0\.000001 more"):
        reserve(desk, project, 1)


def test_a_run_is_under_its_own_and_the_projects_budget(desk):
    project = desk.create()
    limit(desk, project, 50)
    limit(desk, project, 100, run="r1")
    limit(desk, project, 20, run="r2")
    reserve(desk, project, 20, run="r2")
    with pytest.raises(BudgetExhausted):
        reserve(desk, project, 1, run="r2")
    with pytest.raises(BudgetExhausted):
        reserve(desk, project, 31, run="r1")
    reserve(desk, project, 30, run="r1")


def test_a_refused_reservation_changes_nothing(desk):
    project = desk.create()
    limit(desk, project, 100)
    limit(desk, project, 10, run="r")
    with pytest.raises(BudgetExhausted):
        reserve(desk, project, 11, run="r")
    assert all(b.reserved == Cost() for b in desk.tx.budgets.budgets(project.id))


def test_a_lower_limit_counts_from_the_next_reservation(desk):
    project = desk.create()
    limit(desk, project, 100)
    reservation = reserve(desk, project, 60)
    limit(desk, project, 10)
    desk.budgets.settle(desk.tx, reservation.id, Cost(micro_usd=60))
    with pytest.raises(BudgetExhausted):
        reserve(desk, project, 1)
    limit(desk, project, None)
    reserve(desk, project, 1_000_000)


def test_a_limit_set_late_knows_what_was_spent_before(desk):
    project = desk.create()
    settled = reserve(desk, project, 30)
    desk.budgets.settle(desk.tx, settled.id, Cost(micro_usd=30))
    reserve(desk, project, 20)
    budget = limit(desk, project, 60)
    assert (budget.spent.micro_usd, budget.reserved.micro_usd) == (30, 20)
    with pytest.raises(BudgetExhausted):
        reserve(desk, project, 11)


def test_a_daily_limit_starts_anew_at_midnight(desk):
    project = desk.create()
    limit(desk, project, 10, window=Window.DAY)
    reservation = reserve(desk, project, 10)
    desk.budgets.settle(desk.tx, reservation.id, Cost(micro_usd=10))
    with pytest.raises(BudgetExhausted, match="today's"):
        reserve(desk, project, 1)
    desk.clock.advance(hours=12)
    reserve(desk, project, 10)


def test_a_clock_that_is_set_back_over_midnight_grants_no_day_twice(desk):
    project = desk.create()
    desk.clock.advance(hours=13)
    limit(desk, project, 10, window=Window.DAY)
    reservation = reserve(desk, project, 10)
    desk.budgets.settle(desk.tx, reservation.id, Cost(micro_usd=10))
    desk.clock.advance(hours=-2)
    with pytest.raises(BudgetExhausted, match="today's"):
        reserve(desk, project, 1)
    desk.clock.advance(hours=2)
    with pytest.raises(BudgetExhausted, match="today's"):
        reserve(desk, project, 1)
    desk.clock.advance(hours=24)
    reserve(desk, project, 10)


@pytest.mark.parametrize("days", [2, 30, 10_000])
def test_a_clock_that_was_far_ahead_neither_grants_a_day_twice_nor_takes_the_days_after_it_away(desk, days):
    project = desk.create()
    limit(desk, project, 10, window=Window.DAY)
    for amount in (4, 3):
        reservation = reserve(desk, project, amount)
        desk.budgets.settle(desk.tx, reservation.id, Cost(micro_usd=amount))
    desk.clock.advance(hours=24 * days)
    reservation = reserve(desk, project, 10)
    desk.budgets.settle(desk.tx, reservation.id, Cost(micro_usd=10))
    desk.clock.advance(hours=-24 * days)
    with pytest.raises(BudgetExhausted, match="today's"):
        reserve(desk, project, 4)
    reserve(desk, project, 3)
    for _ in range(3):
        desk.clock.advance(hours=24)
        reservation = reserve(desk, project, 7)
        desk.budgets.settle(desk.tx, reservation.id, Cost(micro_usd=7))
        with pytest.raises(BudgetExhausted, match="today's"):
            reserve(desk, project, 8)


def test_a_daily_limit_that_is_set_after_the_clock_was_set_back_counts_what_is_spent(desk):
    project = desk.create()
    desk.clock.advance(hours=13)
    reservation = reserve(desk, project, 10)
    desk.budgets.settle(desk.tx, reservation.id, Cost(micro_usd=10))
    desk.clock.advance(hours=-2)
    assert limit(desk, project, 10, window=Window.DAY).spent.micro_usd == 10


def test_a_key_has_one_open_reservation(desk):
    project = desk.create()
    first = reserve(desk, project, 10, key="k")
    assert reserve(desk, project, 10, key="k") == first
    desk.budgets.release(desk.tx, first.id)
    assert reserve(desk, project, 10, key="k").id != first.id


def test_a_negative_limit_is_refused(desk):
    with pytest.raises(InvalidArgument):
        limit(desk, desk.create(), -1)


def test_an_abandoned_reservation_is_spent_at_the_worst_and_its_labels_are_free(desk):
    project = desk.create()
    limit(desk, project, 100)
    limit(desk, project, 5, dimension=BudgetDimension.LABELS)
    worst = Cost(labels=5, tokens=7, micro_usd=80)
    reservation = desk.budgets.reserve(desk.tx, project.id, "", worst, "annotation", "k")
    desk.budgets.abandon(desk.tx, reservation.id)
    (budget,) = desk.tx.budgets.budget(project.id, "")
    assert (budget.spent, budget.reserved) == (Cost(tokens=7, micro_usd=80), Cost())
    assert [(e.kind, e.line) for e in desk.tx.budgets.entries(project.id)[-2:]] == [
        (LedgerKind.SETTLE, "annotation/presumed"),
        (LedgerKind.RELEASE, "annotation"),
    ]
    assert desk.tx.budgets.presumed(project.id) == Cost(tokens=7, micro_usd=80)
    with pytest.raises(BudgetExhausted):
        reserve(desk, project, 21)


@pytest.mark.parametrize(("paid", "spent", "presumed"), [(80, 80, 0), (30, 80, 50), (0, 80, 80), (95, 95, 0)])
def test_what_is_settled_after_all_was_presumed_already(desk, paid, spent, presumed):
    project = desk.create()
    limit(desk, project, 100)
    reservation = reserve(desk, project, 80, key="k")
    desk.budgets.abandon(desk.tx, reservation.id)
    desk.budgets.abandon(desk.tx, reservation.id)
    desk.budgets.settle(desk.tx, reservation.id, Cost(micro_usd=paid))
    (budget,) = desk.tx.budgets.budget(project.id, "")
    assert (budget.spent.micro_usd, budget.reserved.micro_usd) == (spent, 0)
    assert desk.budgets.spent(desk.tx, project.id).micro_usd == spent
    assert desk.tx.budgets.presumed(project.id).micro_usd == presumed


class Books(RuleBasedStateMachine):
    """Whatever happens in whatever order: never over the limit, and the ledger explains every balance."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.project = self.desk.create()
        self.limit = 1_000
        limit(self.desk, self.project, self.limit)
        limit(self.desk, self.project, 400, run="r")
        self.open: dict[str, int] = {}
        self.highest = 1_000

    @rule(amount=st.integers(0, 400), run=st.sampled_from(["", "r"]))
    def reserves(self, amount, run):
        try:
            self.open[reserve(self.desk, self.project, amount, run=run).id] = amount
        except BudgetExhausted:
            (own, *_) = self.desk.tx.budgets.budget(self.project.id, "")
            runs = self.desk.tx.budgets.budget(self.project.id, "r") if run else []
            assert any(
                b.spent.micro_usd + b.reserved.micro_usd + amount > (b.limit.micro_usd or 0) for b in [own, *runs]
            )

    @precondition(lambda self: self.open)
    @rule(data=st.data(), close=st.booleans())
    def settles(self, data, close):
        reservation = data.draw(st.sampled_from(sorted(self.open)))
        amount = data.draw(st.integers(0, self.open[reservation]))
        self.desk.budgets.settle(self.desk.tx, reservation, Cost(micro_usd=amount), close=close)
        self.open[reservation] -= amount
        if close:
            del self.open[reservation]

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def releases(self, data):
        reservation = data.draw(st.sampled_from(sorted(self.open)))
        self.desk.budgets.release(self.desk.tx, reservation)
        del self.open[reservation]

    @precondition(lambda self: self.open)
    @rule(data=st.data(), late=st.integers(0, 400))
    def abandons(self, data, late):
        reservation = data.draw(st.sampled_from(sorted(self.open)))
        worst = self.open.pop(reservation)
        self.desk.budgets.abandon(self.desk.tx, reservation)
        self.desk.budgets.settle(self.desk.tx, reservation, Cost(micro_usd=min(late, worst)))

    @rule(bound=st.integers(0, 2_000))
    def moves_the_limit(self, bound):
        limit(self.desk, self.project, bound)
        self.highest = max(self.highest, bound)

    @invariant()
    def is_never_overspent(self):
        for budget in self.desk.tx.budgets.budgets(self.project.id):
            bound = 400 if budget.run else self.highest
            assert budget.spent.micro_usd + budget.reserved.micro_usd <= bound
            assert budget.reserved.micro_usd >= 0

    @invariant()
    def every_balance_is_a_sum_of_the_ledger(self):
        entries = self.desk.tx.budgets.entries(self.project.id)
        for budget in self.desk.tx.budgets.budgets(self.project.id):
            mine = [e for e in entries if not budget.run or e.run == budget.run]
            sums = {kind: sum(e.amount.micro_usd for e in mine if e.kind is kind) for kind in LedgerKind}
            assert budget.spent.micro_usd == sums[LedgerKind.SETTLE]
            freed = sums[LedgerKind.SETTLE] + sums[LedgerKind.RELEASE]
            assert budget.reserved.micro_usd == sums[LedgerKind.RESERVE] - freed


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

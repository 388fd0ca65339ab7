"""A call's own limit on top of its project's books."""

import asyncio

import pytest

from nextlabel.server.domain.budgets.paid_calls import CallLedger
from nextlabel.server.values.errors import BudgetExhausted
from nextlabel.server.values.money.budgets import Window
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from tests.domain.service import Service

ONE = Cost(labels=1, tokens=10, micro_usd=100)


@pytest.fixture
async def ledger(tmp_path):
    service = Service(tmp_path)
    project = await service.create()
    books = service.parts.projects.ledgers.of(project.id)
    yield lambda **limit: CallLedger(books, Cost(**limit))
    await service.close()


async def test_requests_at_the_same_time_never_hold_more_than_the_limit(ledger):
    call = ledger(micro_usd=350)
    held = await asyncio.gather(*(call.reserve(f"k{n}", ONE, "line") for n in range(10)), return_exceptions=True)
    assert sum(isinstance(one, str) for one in held) == 3
    assert sum(isinstance(one, BudgetExhausted) for one in held) == 7


async def test_what_is_settled_stays_spent_and_the_rest_comes_back(ledger):
    call = ledger(micro_usd=200, tokens=1_000)
    first = await call.reserve("a", ONE, "line")
    second = await call.reserve("b", ONE, "line")
    await call.settle(first, Cost(tokens=3, micro_usd=40), None)
    await call.release(second)
    assert call.spent == Cost(tokens=3, micro_usd=40)
    await call.reserve("c", ONE, "line")
    with pytest.raises(
        BudgetExhausted, match=r"may spend \$0\.000200: \$0\.000140 spent or reserved, \$0\.000100 more"
    ):
        await call.reserve("d", ONE, "line")


async def test_a_dimension_of_0_has_no_limit_and_labels_are_not_bought_by_a_call(ledger):
    call = ledger(labels=1, tokens=15)
    await call.reserve("a", ONE, "line")
    with pytest.raises(BudgetExhausted, match="15 tokens"):
        await call.reserve("b", ONE, "line")


async def test_a_refusal_by_the_books_leaves_nothing_held(tmp_path):
    service = Service(tmp_path)
    project = await service.create()
    parts = service.parts

    def set_limit(bound):
        return parts.base.store.write(
            lambda tx: parts.projects.budgets.set_limit(
                tx, project.id, "", Window.TOTAL, BudgetDimension.MICRO_USD, bound
            )
        )

    call = CallLedger(
        parts.projects.ledgers.of(project.id),
        Cost(micro_usd=100),
    )
    await set_limit(50)
    with pytest.raises(BudgetExhausted, match=r"of this project is \$0\.000050"):
        await call.reserve("a", ONE, "line")
    await set_limit(None)
    assert await call.reserve("a", ONE, "line")
    await service.close()

"""What is set aside for a call: enough whatever happens, and no more than is known to be needed."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.annotators.endpoints.wire import ModelRequest
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.reservation_sizes import ReservationSizes
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.money.costs import Cost, Usage
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic

MakeAnnotator = Callable[..., LlmAnnotator]


def asked(user: str, system: str = "system") -> ModelRequest:
    return ModelRequest("m", system, user, {"type": "object"}, 50)


def tokens(request: ModelRequest) -> int:
    """What a server of ours counts: two bytes a token, and a hidden prompt of 700."""
    texts = (request.system, request.user, json.dumps(request.schema))
    return 700 + sum((len(text.encode()) + 1) // 2 for text in texts)


@given(st.lists(st.text(max_size=80), min_size=1, max_size=20))
def test_what_was_learned_never_sets_aside_too_little(users: list[str]) -> None:
    sizes = ReservationSizes()
    for user in users:
        request = asked(user)
        worst = sizes.worst(request)
        assert worst.tokens <= request.worst_usage().tokens
        assert sizes.learn(request, worst, Usage(input_tokens=tokens(request), output_tokens=50))


def test_a_reply_above_its_reservation_is_told_and_later_ones_are_sized_by_it() -> None:
    sizes = ReservationSizes()
    first = sizes.worst(asked("x"))
    assert not sizes.learn(asked("x"), first, Usage(input_tokens=100, output_tokens=500))
    later = sizes.worst(asked("y"))
    assert later.output_tokens == 500
    assert sizes.learn(asked("y"), later, Usage(input_tokens=100, output_tokens=500))
    assert sizes.worst(asked("y")).input_tokens == asked("y").worst_usage().input_tokens, "nothing is taken for granted"


async def test_the_first_reply_above_its_reservation_stops_the_annotator(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    ledger = MemoryLedger(Cost(tokens=10**9, micro_usd=1_000_000), may_overrun=True)
    fake.inflate, account, answers = 5_000, Account(), dict[str, Answer]()
    with pytest.raises(AnnotatorStopped, match="set aside") as stopped:
        await collect(
            make_annotator(ledger=ledger, account=account, conduct=Conduct(concurrency=16)),
            make_task(),
            make_items(200),
            into=answers,
        )
    assert stopped.value.reason == "ANNOTATOR_OVERRUN"
    assert len(fake.requests) == len(answers) == 1, "the first call to a model goes alone"
    with pytest.raises(BudgetExhausted):
        await collect(make_annotator(ledger=ledger, account=account), make_task(), make_items(200))
    assert fake.books.micro_usd == ledger.spent.micro_usd <= 1_000_000, "sized by it, later ones stay within the budget"


async def test_a_small_budget_is_used_up(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    ledger = MemoryLedger(Cost(tokens=10**9, micro_usd=5_000))
    with pytest.raises(BudgetExhausted):
        await collect(make_annotator(ledger=ledger), make_task(), make_items(200))
    assert fake.books.micro_usd == ledger.spent.micro_usd
    assert ledger.spent.micro_usd > 3_500, ledger.spent

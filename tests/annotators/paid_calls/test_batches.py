"""Message batches: half the price, any order, and a creation whose answer was lost."""

import itertools
import json
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.endpoints.wire import HttpReply
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.message_batches import MessageBatchAnnotator, MessageBatchPolicy
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.message_batch_calls import MessageBatchCalls, MessageBatchWaits
from nextlabel.server.annotators.paid_calls.retry import Manners
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.system.halt import Halt
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.labeling.answers import Answer, Outcome
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.paid_calls import MessageBatchIntent
from tests.annotators.crashes import audit_runs
from tests.annotators.durable import DurableLedger
from tests.annotators.kinds import KINDS
from tests.annotators.shop import FAST, PRICE, FakeClock, collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic, Fault
from tests.fake_anthropic.faults import overloaded, rate_limited

MakeAnnotator = Callable[..., LlmAnnotator]
QUICK = MessageBatchWaits(poll_s=0.01, grace_s=0.2)


@pytest.fixture
def books(tmp_path: Path) -> DurableLedger:
    return DurableLedger(tmp_path / "ledger.sqlite", 10**9)


def batching(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger, **changes: Any
) -> MessageBatchAnnotator:
    endpoint = AnthropicEndpoint(AnthropicConnection(api_key="key", base_url=fake.url))
    account, manners = changes.pop("account", Account()), changes.pop("manners", Manners(FAST))
    single = make_annotator(endpoint=endpoint, ledger=books, account=account, manners=manners, **changes)
    return MessageBatchAnnotator(
        annotator=single,
        calls=MessageBatchCalls(endpoint, books, account.throttle, manners, QUICK),
        ledger=books,
        price=PRICE,
        account=account,
        policy=MessageBatchPolicy(max_requests=8),
    )


async def test_batches_cost_half_and_answer_everything(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger, tmp_path: Path
) -> None:
    items = make_items(20)
    answers = await collect(batching(make_annotator, fake, books), make_task(), items)
    assert set(answers) == {item.item_id for item in items}
    assert all(answer.outcome is Outcome.LABEL for answer in answers.values())
    assert len(fake.batches.created) == 3
    assert not fake.requests, "no single call was needed"
    assert books.spent() == fake.books.micro_usd
    assert books.open_reservations() == 0
    half = books.spent()
    fake.books.micro_usd = 0
    single = DurableLedger(tmp_path / "single.sqlite", 10**9)
    await collect(make_annotator(ledger=single), make_task(), items)
    assert half == pytest.approx(single.spent() / 2, abs=len(items))


async def test_answers_without_usage_are_kept_at_what_was_set_aside(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    fake.faults.script.extend([Fault(kind="no_usage")] * 4)
    for _ in range(2):
        answers = await collect(batching(make_annotator, fake, books), make_task(), make_items(4))
        assert [answer.outcome for answer in answers.values()] == [Outcome.LABEL] * 4
    assert (len(fake.batches.created), len(fake.requests)) == (1, 0)
    assert books.spent() > fake.books.micro_usd
    assert books.open_reservations() == 0


async def test_what_a_message_batch_leaves_undone_goes_into_another_one_and_only_invalid_answers_are_asked_singly(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    fake.faults.script.extend(
        [Fault(kind="bad_answer"), Fault(status=529, error_type="overloaded_error"), Fault(kind="refusal")]
    )
    answers = await collect(batching(make_annotator, fake, books), make_task(), make_items(8))
    outcomes = sorted(answer.outcome for answer in answers.values())
    assert outcomes == [Outcome.LABEL] * 7 + [Outcome.REFUSED]
    assert len(fake.batches.created) == 2, "the overloaded request a second time"
    assert len(fake.requests) == 1, "the invalid answer a second time"
    assert books.spent() == fake.books.micro_usd
    assert books.open_reservations() == 0


async def test_a_batch_whose_creation_was_never_confirmed_is_adopted(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    fake.batches.lose_next_creation = True
    answers = await collect(batching(make_annotator, fake, books), make_task(), make_items(6))
    assert len(answers) == 6
    assert len(fake.batches.created) == 1, "not created a second time"
    assert not fake.requests
    assert books.spent() == fake.books.micro_usd


async def test_a_list_of_batches_without_an_end_leaves_what_may_have_been_bought_reserved(
    fake: FakeAnthropic, books: DurableLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, pages = AnthropicEndpoint(AnthropicConnection(api_key="key", base_url=fake.url)), itertools.count()

    async def endless(_: str, __: float) -> HttpReply:
        state = {"id": f"b{next(pages)}", "processing_status": "in_progress", "request_counts": {"processing": 10**6}}
        page = {"data": [state | {"created_at": "2999-01-01T00:00:00Z"}], "has_more": True, "last_id": state["id"]}
        return HttpReply(200, {}, json.dumps(page).encode())

    monkeypatch.setattr(endpoint, "batches", endless)
    calls = MessageBatchCalls(endpoint, books, Account().throttle, Manners(FAST), QUICK)
    with pytest.raises(AnnotatorStopped, match="no end"):
        await calls.adopt(MessageBatchIntent("i", time.time(), {"i-0": {"key": "item"}}, {"i-0": Cost()}, "line", "m"))


async def test_batches_of_others_are_left_alone(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger, tmp_path: Path
) -> None:
    other = DurableLedger(tmp_path / "other.sqlite", 10**9)
    await collect(batching(make_annotator, fake, other), make_task(), make_items(3, "theirs"))
    charged = fake.books.micro_usd
    fake.batches.lose_next_creation = True
    await collect(batching(make_annotator, fake, books), make_task(), make_items(4, "ours"))
    assert books.spent() == fake.books.micro_usd - charged
    assert books.settlements() == 4


async def test_the_key_is_not_sent_to_another_host(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    fake.batches.results_host = "http://attacker.invalid"
    with pytest.raises(AnnotatorStopped, match="attacker") as stopped:
        await collect(batching(make_annotator, fake, books), make_task(), make_items(2))
    assert stopped.value.reason == "ANNOTATOR_RESULTS_HOST"
    assert books.open_reservations() == 2, "a running batch counts as spent until it is reconciled"
    fake.batches.results_host = None
    answers = await collect(batching(make_annotator, fake, books), make_task(), make_items(2))
    assert len(answers) == 2
    assert len(fake.batches.created) == 1
    assert books.spent() == fake.books.micro_usd


async def test_a_budget_allows_part_of_a_batch(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, tmp_path: Path
) -> None:
    books = DurableLedger(tmp_path / "tight.sqlite", 4_500)
    answers: dict[str, Answer] = {}
    with pytest.raises(BudgetExhausted):
        await collect(batching(make_annotator, fake, books), make_task(), make_items(40), into=answers)
    assert fake.books.micro_usd == books.spent() <= 4_500
    assert fake.books.charged_requests > 0
    assert books.open_reservations() == 0


async def test_packing_and_samples_go_through_batches(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    technique = Technique(items_per_request=5, samples=3)
    answers = await collect(batching(make_annotator, fake, books, technique=technique), make_task(), make_items(20))
    assert all(answer.signals["agreement"] == 1.0 for answer in answers.values())
    assert fake.books.charged_requests == 8
    assert not fake.requests


async def test_kills_at_random_moments_lose_and_overspend_nothing(tmp_path: Path) -> None:
    audit = await audit_runs(len(KINDS), 1, tmp_path)
    assert audit.wrong == []
    assert audit.killed >= len(KINDS)


@pytest.mark.parametrize("call", ["create", "retrieve", "results"])
@pytest.mark.parametrize(
    "fault",
    [rate_limited(0.02), overloaded(), Fault(status=500), Fault(kind="html")],
    ids=["429", "529", "500", "html"],
)
async def test_a_fault_at_any_call_about_a_message_batch_is_waited_out(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger, call: str, fault: Fault
) -> None:
    fake.batches.faults[call] = deque([fault] * 3)
    answers = await collect(batching(make_annotator, fake, books), make_task(), make_items(8))
    assert {answer.outcome for answer in answers.values()} == {Outcome.LABEL}
    assert not fake.batches.faults[call]
    assert len(fake.batches.created) == 1
    assert not fake.requests, "nothing is bought singly"
    assert books.spent() == fake.books.micro_usd
    assert books.open_reservations() == 0


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (rate_limited(0.01), "ANNOTATOR_BATCH_UNAVAILABLE"),
        (overloaded(), "ANNOTATOR_BATCH_UNAVAILABLE"),
        (rate_limited(3_600), "ANNOTATOR_RATE_LIMITED"),
        (Fault(status=429, error_code="enforced_spend_limit_reached"), "ANNOTATOR_SPEND_LIMIT"),
        (Fault(status=404, error_type="not_found_error"), "ANNOTATOR_BATCH_REFUSED"),
        (Fault(status=400, error_type="invalid_request_error"), "ANNOTATOR_BATCH_REFUSED"),
    ],
)
async def test_a_message_batch_that_cannot_be_created_buys_nothing_in_another_way(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger, fault: Fault, reason: str
) -> None:
    fake.batches.faults["create"] = deque([fault] * 99)
    with pytest.raises(AnnotatorStopped) as stopped:
        await collect(batching(make_annotator, fake, books), make_task(), make_items(8))
    assert stopped.value.reason == reason
    assert not fake.requests
    assert not fake.batches.created
    assert books.spent() == fake.books.micro_usd == 0
    assert books.open_reservations() == 0
    assert await books.open_intents() == []


async def test_requests_that_message_batches_never_answer_fail_and_cost_nothing(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    fake.faults.rates = [(1.0, overloaded())]
    answers = await collect(batching(make_annotator, fake, books), make_task(), make_items(4))
    assert {answer.outcome for answer in answers.values()} == {Outcome.FAILED}
    assert all("overloaded" in answer.detail for answer in answers.values())
    assert len(fake.batches.created) == 3
    assert not fake.requests
    assert books.open_reservations() == 0


async def test_what_was_paid_for_is_given_before_a_stop(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    annotator = batching(make_annotator, fake, books)
    await collect(annotator, make_task(), make_items(8))
    fake.batches.faults["create"] = deque([overloaded()] * 99)
    answers: dict[str, Answer] = {}
    with pytest.raises(AnnotatorStopped):
        await collect(annotator, make_task(), make_items(16), into=answers)
    assert set(answers) == {item.item_id for item in make_items(8)}
    assert not fake.requests


async def test_a_halt_cancels_a_message_batch_and_keeps_what_it_answered(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    fake.batch_steps = 10**6
    halt = Halt()
    answers: dict[str, Answer] = {}
    annotator = batching(make_annotator, fake, books, manners=Manners(FAST, HaltingClock(halt), halt=halt))
    with pytest.raises(AnnotatorStopped, match="operator"):
        await collect(annotator, make_task(), make_items(16), into=answers)
    assert len(fake.batches.created) == len(fake.batches.cancelled) == 1, "the second one was not begun"
    assert len(answers) == fake.books.charged_requests == 4
    assert books.spent() == fake.books.micro_usd
    assert books.open_reservations() == 0


class HaltingClock(FakeClock):
    """A clock with which an operator stops the run at the first wait."""

    def __init__(self, halt: Halt) -> None:
        super().__init__()
        self._halt = halt

    async def sleep(self, seconds: float) -> None:
        self._halt.call()
        await super().sleep(seconds)


async def test_a_message_batch_that_the_endpoint_has_forgotten_is_booked_at_its_worst(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    fake.batches.results_host = "http://attacker.invalid"
    with pytest.raises(AnnotatorStopped):
        await collect(batching(make_annotator, fake, books), make_task(), make_items(2))
    set_aside = books.reserved()
    fake.batches.lost.update(fake.batches.created)
    fake.batches.results_host = None
    answers = await collect(batching(make_annotator, fake, books), make_task(), make_items(2))
    assert len(answers) == 2
    assert books.spent() >= set_aside
    assert books.open_reservations() == 0


async def test_a_message_batch_is_asked_about_where_it_was_sent_and_nowhere_else(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, books: DurableLedger
) -> None:
    fake.batches.results_host = "http://attacker.invalid"
    with pytest.raises(AnnotatorStopped):
        await collect(batching(make_annotator, fake, books), make_task(), make_items(4))
    fake.batches.results_host = None
    async with FakeAnthropic() as other:
        answers = await collect(batching(make_annotator, other, books), make_task(), make_items(4))
        assert len(answers) == 4
        assert (len(other.batches.created), books.open_reservations()) == (1, 4), "what is open elsewhere stays so"
        await collect(batching(make_annotator, fake, books), make_task(), make_items(4))
        assert len(fake.batches.created) == 1
        assert books.spent() == fake.books.micro_usd + other.books.micro_usd
    assert books.open_reservations() == 0

"""What ends an annotator, what ends one item only, and what is kept either way."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator, Lookups
from nextlabel.server.annotators.llm.label_scores import BatchCalibratedAnnotator
from nextlabel.server.annotators.paid_calls.accounts import Account, Accounts
from nextlabel.server.annotators.paid_calls.retry import Manners, RetryPolicy
from nextlabel.server.annotators.prompting.technique import Retrieval, Technique
from nextlabel.server.system.halt import Halt
from nextlabel.server.values.errors import AnnotatorStopped, Unavailable
from nextlabel.server.values.labeling.answers import Answer, Outcome
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import FAST, FakeClock, collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic, Fault
from tests.fake_anthropic.faults import rate_limited

MakeAnnotator = Callable[..., LlmAnnotator]


async def test_after_a_halt_no_call_is_sent_and_those_under_way_are_kept(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    fake.latency_s = 0.05
    halt, answered, sent = Halt(), 0, 0

    async def halt_at_seventeen() -> None:
        nonlocal answered, sent
        async for _ in make_annotator(manners=Manners(FAST, halt=halt)).annotate(make_task(), make_items(200)):
            answered += 1
            if answered == 17:
                sent = len(fake.requests)
                halt.call()

    with pytest.raises(AnnotatorStopped) as stopped:
        await halt_at_seventeen()
    assert stopped.value.reason == "RUN_STOPPED"
    assert len(fake.requests) <= sent + 8, "what eight workers had begun to send"
    assert answered == fake.books.charged_requests == len(fake.requests)
    assert not ledger.open


class Asleep(FakeClock):
    """A clock on which nobody wakes up by himself."""

    def __init__(self) -> None:
        super().__init__()
        self.someone_sleeps = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.someone_sleeps.set()
        await asyncio.Event().wait()


async def test_a_halt_ends_every_wait(make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger) -> None:
    fake.faults.rates = [(1.0, rate_limited(3_000))]
    halt, clock = Halt(), Asleep()
    patient = Manners(RetryPolicy(max_retry_after_s=4_000.0, deadline_s=9_000.0), clock, halt=halt)
    asking = asyncio.create_task(collect(make_annotator(manners=patient), make_task(), make_items(50)))
    await clock.someone_sleeps.wait()
    assert not ledger.open, "nothing is reserved while a call waits"
    halt.call()
    with pytest.raises(AnnotatorStopped, match="operator"):
        await asking
    assert fake.statuses[429] == 1


class BrokenSource:
    """Demonstrations of which one cannot be looked up."""

    async def fixed(self, k: int) -> Sequence[Demonstration]:
        return ()

    async def nearest(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        if item.row == 7:
            raise RuntimeError("no such row in /secret/place")
        return ()

    nearest_per_label = nearest


async def test_an_unexpected_error_ends_its_item_and_no_other(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    technique = Technique(retrieval=Retrieval.NEAREST, shots=2)
    annotator = make_annotator(technique=technique, lookups=Lookups(demonstrations=BrokenSource()))
    answers = await collect(annotator, make_task(), make_items(30))
    assert Counter(answer.outcome for answer in answers.values()) == {Outcome.LABEL: 29, Outcome.FAILED: 1}
    failed = answers["mail-00007"]
    assert "internal error" in failed.detail
    assert "/secret" not in failed.detail
    assert not ledger.open


class AwaySource(BrokenSource):
    """Demonstrations that cannot be had, such as when a service that filters ask is away."""

    async def nearest(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        raise Unavailable("the service behind rude(text) cannot be asked", reason="FILTER_SERVICE")


async def test_what_no_question_can_be_made_of_ends_the_asking_and_fails_no_item(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    technique = Technique(retrieval=Retrieval.NEAREST, shots=2)
    annotator = make_annotator(technique=technique, lookups=Lookups(demonstrations=AwaySource()))
    with pytest.raises(Unavailable, match="rude"):
        await collect(annotator, make_task(), make_items(30))
    assert not fake.statuses


async def test_refusals_stop_the_annotator_and_small_query_batches_add_up(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.faults.rates = [(1.0, Fault(kind="refusal"))]
    annotator, items = make_annotator(), make_items(200)

    async def in_small_query_batches() -> None:
        for start in range(0, 200, 5):
            await collect(annotator, make_task(), items[start : start + 5])

    with pytest.raises(AnnotatorStopped, match="refused") as stopped:
        await in_small_query_batches()
    assert stopped.value.reason == "ANNOTATOR_INVALID_RATE"
    assert len(fake.requests) < 40


async def test_another_model_than_asked_is_counted_and_may_stop_the_annotator(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.answering_model = "claude-haiku-4-5-20251001"
    dated = make_annotator(conduct=Conduct(stop_at_other_model=True))
    await dated.check()
    assert not dated.models.others, "a snapshot of the model asked"
    fake.answering_model = "cheap-one"
    warning = make_annotator()
    await collect(warning, make_task(), make_items(3))
    assert warning.models.others == {"cheap-one": 3}
    with pytest.raises(AnnotatorStopped, match="cheap-one") as stopped:
        await make_annotator(conduct=Conduct(stop_at_other_model=True)).check()
    assert stopped.value.reason == "ANNOTATOR_OTHER_MODEL"


async def test_a_full_context_is_not_asked_again_with_more_room(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.faults.script.append(Fault(kind="context_full"))
    (answer,) = (await collect(make_annotator(), make_task(), make_items(1))).values()
    assert answer.outcome is Outcome.TRUNCATED
    assert len(fake.requests) == 1


async def test_batch_calibration_keeps_what_was_paid_for_before_a_stop(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.faults.script.extend([None] * 5)
    fake.faults.rates = [(1.0, Fault(status=401, error_type="authentication_error"))]
    answers: dict[str, Answer] = {}
    inner = make_annotator(conduct=Conduct(concurrency=1))
    with pytest.raises(AnnotatorStopped):
        await collect(BatchCalibratedAnnotator(inner), make_task(), make_items(9), into=answers)
    assert len(answers) == 5


def test_calls_with_one_key_to_one_origin_share_their_limits_whatever_the_path() -> None:
    accounts = Accounts(FakeClock())
    one = accounts.of("https://llm.example/v1", "a")
    assert one is accounts.of("https://LLM.example:443", "a")
    others = [accounts.of(url, key) for url, key in (("https://llm.example", "b"), ("https://llm.example:8443", "a"))]
    assert one not in others
    one.throttle.cool_down(9.0)
    assert accounts.of("https://llm.example", "a").throttle.remaining_cool_down_s() == 9.0


async def test_a_cool_down_holds_for_every_run_of_the_account(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, clock: FakeClock
) -> None:
    account = Account(clock)
    fake.faults.script.append(rate_limited(3.0))
    first = make_annotator(account=account, manners=Manners(FAST, clock), conduct=Conduct(concurrency=1))
    await collect(first, make_task(), make_items(1))
    account.throttle.cool_down(4.0)
    before = clock.now
    await collect(make_annotator(account=account, manners=Manners(FAST, clock)), make_task(), make_items(1, "other"))
    assert clock.now - before >= 4.0


def test_no_two_processes_spread_their_retries_alike() -> None:
    draws = {tuple(Manners().rng.random() for _ in range(3)) for _ in range(3)}
    assert len(draws) == 3
    assert isinstance(Manners().rng, random.SystemRandom)

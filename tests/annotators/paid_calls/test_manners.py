"""Retries, waits, rate limits and concurrency."""

import asyncio
import contextlib
import itertools
import random
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator
from nextlabel.server.annotators.paid_calls.retry import Manners, Patience, RetryPolicy
from nextlabel.server.annotators.paid_calls.throttle import Throttle, TokenBucket
from nextlabel.server.values.errors import AnnotatorStopped
from nextlabel.server.values.labeling.answers import Answer, Outcome
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import FAST, MODEL, FakeClock, collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic
from tests.fake_anthropic.faults import overloaded, rate_limited

MakeAnnotator = Callable[..., LlmAnnotator]


async def test_under_429_and_529_nothing_is_early_lost_doubled_or_misbooked(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    fake.faults.rates = [(0.2, rate_limited(0.05)), (0.05, overloaded())]
    items = make_items(150)
    policy = RetryPolicy(max_attempts=20, first_delay_s=0.01, max_delay_s=0.05)
    answers = await collect(
        make_annotator(conduct=Conduct(concurrency=32), manners=Manners(policy)), make_task(), items
    )
    assert fake.statuses[429] > 10
    assert fake.statuses[529] > 2
    assert fake.early_retries == 0
    assert set(answers) == {item.item_id for item in items}
    assert all(answer.outcome is Outcome.LABEL for answer in answers.values())
    assert max(fake.answered.values()) == 1
    assert ledger.spent.micro_usd == fake.books.micro_usd
    assert fake.most_in_flight <= 32


async def test_a_wait_longer_than_the_cap_stops_the_run_instead_of_sleeping_or_retrying_early(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, clock: FakeClock
) -> None:
    fake.faults.script = deque([rate_limited(3_600)])
    answers: dict[str, Answer] = {}
    with pytest.raises(AnnotatorStopped) as stopped:
        await collect(make_annotator(manners=Manners(FAST, clock)), make_task(), make_items(50), into=answers)
    assert stopped.value.reason == "ANNOTATOR_RATE_LIMITED"
    assert len(answers) == fake.statuses[200] < 8
    assert fake.statuses[429] == 1
    assert sum(clock.slept) < FAST.deadline_s
    assert not ledger.open


async def test_one_item_that_keeps_failing_takes_no_other_with_it(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.faults.script = deque([overloaded()] * 3)
    policy = RetryPolicy(max_attempts=3, first_delay_s=0.001)
    answers = await collect(
        make_annotator(conduct=Conduct(concurrency=1), manners=Manners(policy)), make_task(), make_items(5)
    )
    outcomes = [answer.outcome for answer in answers.values()]
    assert outcomes == [Outcome.FAILED] + [Outcome.LABEL] * 4


async def test_reader_that_stops_leaves_no_reservation_and_no_task(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    fake.latency_s = 0.02
    before = asyncio.all_tasks()
    stream = make_annotator().annotate(make_task(), make_items(200))
    await anext(stream)
    await stream.aclose()
    assert not ledger.open
    assert ledger.spent.micro_usd >= fake.books.micro_usd
    assert {task for task in asyncio.all_tasks() - before if "annotat" in repr(task)} == set()


def test_delay_never_undercuts_the_server_and_never_exceeds_the_cap() -> None:
    policy = RetryPolicy(first_delay_s=1.0, max_delay_s=8.0, max_retry_after_s=60.0, max_attempts=10)
    rng = random.Random(1)
    for asked in (0.0, 0.3, 59.0):
        delay = policy.delay_s(Failure(FailureKind.RATE_LIMITED, "", asked), 1, rng)
        assert delay is not None
        assert asked <= delay <= asked * 1.1
    assert policy.delay_s(Failure(FailureKind.RATE_LIMITED, "", 61.0), 1, rng) is None
    delays = [policy.delay_s(Failure(FailureKind.OVERLOADED, ""), attempt, rng) for attempt in range(1, 10)]
    assert all(delay is not None and 0 < delay <= 8.0 for delay in delays)
    assert policy.delay_s(Failure(FailureKind.OVERLOADED, ""), 10, rng) is None


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if not kind.retryable])
def test_what_cannot_be_cured_is_not_retried(kind: FailureKind) -> None:
    assert RetryPolicy().delay_s(Failure(kind, ""), 1, random.Random(0)) is None


async def test_throttle_learns_limits_from_headers_and_paces_calls(clock: FakeClock) -> None:
    throttle = Throttle(clock)
    throttle.observe(
        MODEL,
        {
            "anthropic-ratelimit-requests-limit": "60",
            "anthropic-ratelimit-requests-remaining": "2",
            "anthropic-ratelimit-input-tokens-limit": "not a number",
        },
    )
    start = clock.now
    for _ in range(5):
        await throttle.admit(MODEL, 100, 100)
    assert clock.now - start == pytest.approx(3.0)


async def test_input_and_output_limits_are_kept_apart(clock: FakeClock) -> None:
    throttle = Throttle(clock)
    throttle.observe(
        MODEL,
        {
            "anthropic-ratelimit-input-tokens-limit": "6000",
            "anthropic-ratelimit-input-tokens-remaining": "6000",
            "anthropic-ratelimit-output-tokens-limit": "600",
            "anthropic-ratelimit-output-tokens-remaining": "600",
        },
    )
    start = clock.now
    await throttle.admit(MODEL, 6_000, 1)
    assert clock.now == start
    await throttle.admit(MODEL, 100, 1)
    assert clock.now - start == pytest.approx(1.0)
    await throttle.admit(MODEL, 1, 600)
    assert clock.now - start == pytest.approx(1.0, abs=0.2)


async def test_cool_down_is_shared_and_only_grows(clock: FakeClock) -> None:
    throttle = Throttle(clock)
    throttle.cool_down(5.0)
    throttle.cool_down(1.0)
    start = clock.now
    await asyncio.gather(*(throttle.admit(MODEL, 1, 1) for _ in range(3)))
    assert clock.now - start == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("limit", "remaining"),
    [("0.0001", "0"), ("1", "-1e300"), ("1", "0"), ("1e-300", "1e300"), ("-5", "-5"), ("1e12", "0")],
)
async def test_no_rate_limit_makes_a_call_wait_longer_than_calls_may(
    clock: FakeClock, limit: str, remaining: str
) -> None:
    throttle, manners = Throttle(clock), Manners(RetryPolicy(), clock, random.Random(0))
    headers = {
        f"anthropic-ratelimit-{name}-{what}": value
        for name in ("requests", "input-tokens", "output-tokens")
        for what, value in (("limit", limit), ("remaining", remaining))
    }
    for _ in range(4):
        throttle.observe(MODEL, headers)
        began = clock.now
        with contextlib.suppress(AnnotatorStopped):
            await Patience(throttle, manners).admit(MODEL, 5_000, 500)
        assert clock.now - began <= RetryPolicy().deadline_s


async def test_a_server_that_asks_for_a_year_is_asked_again_in_an_hour(clock: FakeClock) -> None:
    throttle, manners = Throttle(clock), Manners(RetryPolicy(), clock, random.Random(0))
    patience = Patience(throttle, manners)
    await patience.admit(MODEL, 1, 1)
    with pytest.raises(AnnotatorStopped, match="31536000 s"):
        await patience.again(Failure(FailureKind.RATE_LIMITED, "", retry_after_s=31_536_000.0))
    with pytest.raises(AnnotatorStopped):
        await Patience(throttle, manners).admit(MODEL, 1, 1)
    clock.now += 3_600.0
    await Patience(throttle, manners).admit(MODEL, 1, 1)


def test_bucket_admits_an_amount_above_its_limit_when_full() -> None:
    bucket = TokenBucket(updated_s=0.0)
    bucket.observe(100, 100, 0.0)
    assert bucket.wait_s(1_000, 0.0) == 0.0
    bucket.take(1_000)
    assert bucket.wait_s(1, 0.0) == pytest.approx(901 / 100 * 60)


@given(st.lists(st.floats(0.0, 5.0), min_size=5, max_size=5), st.integers())
def test_each_back_off_is_longer_than_the_wait_before_whatever_else_was_waited_for(
    cool_downs: list[float], seed: int
) -> None:
    """Neither chance nor the cool-downs of other calls make a call come back at even intervals."""

    async def waits() -> list[float]:
        clock = FakeClock()
        throttle = Throttle(clock)
        patience = Patience(throttle, Manners(RetryPolicy(), clock, random.Random(seed)))
        await patience.admit(MODEL, 1, 1)
        found = []
        for cool_down in cool_downs:
            failed_at = clock.now
            throttle.cool_down(cool_down)
            assert await patience.again(Failure(FailureKind.OVERLOADED, ""))
            await patience.admit(MODEL, 1, 1)
            found.append(clock.now - failed_at)
        return found

    found = asyncio.run(waits())
    assert all(later > 1.1 * earlier for earlier, later in itertools.pairwise(found))

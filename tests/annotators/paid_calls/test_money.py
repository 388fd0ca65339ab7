"""Reserve, settle, refund; nothing paid twice, nothing overspent."""

import asyncio
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.endpoints.cache_ttl import CacheTtl
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.paid_calls.pricing import load_prices
from nextlabel.server.annotators.paid_calls.retry import Manners
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.values.errors import BudgetExhausted, InvalidArgument
from nextlabel.server.values.ids import ReservationId
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.money.costs import BudgetDimension, Cost, Usage
from tests.annotators.kinds import EVERY_KIND, Kind
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import FAST, MODEL, PRICE, FakeClock, collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic, Fault

MakeAnnotator = Callable[..., LlmAnnotator]


@EVERY_KIND
async def test_a_budget_is_used_up_and_never_exceeded(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, kind: Kind
) -> None:
    ledger = MemoryLedger(Cost(tokens=10**9, micro_usd=20_000))
    answers: dict[str, Answer] = {}
    settings = ModelSettings(MODEL, text_tokens=ModelSettings(MODEL).answer_tokens)
    with pytest.raises(BudgetExhausted) as exhausted:
        await collect(make_annotator(ledger=ledger, settings=settings), kind.task, kind.items(200), into=answers)
    assert exhausted.value.dimension is BudgetDimension.MICRO_USD
    assert fake.books.micro_usd == ledger.spent.micro_usd <= 20_000
    assert ledger.spent.micro_usd > 15_000, "a reservation that does not fit waits for the refunds of others"
    assert len(answers) * kind.calls <= fake.books.charged_requests <= (len(answers) + 8) * kind.calls
    assert not ledger.open


class LingeringLedger(MemoryLedger):
    """Has reserved before it says so."""

    def __init__(self, limit: Cost) -> None:
        super().__init__(limit)
        self.reserved_one, self.says_so = asyncio.Event(), asyncio.Event()

    async def reserve(self, key: str, worst: Cost, line: str) -> ReservationId:
        reservation = await super().reserve(key, worst, line)
        self.reserved_one.set()
        await self.says_so.wait()
        return reservation


async def test_a_call_that_is_cancelled_while_it_reserves_leaves_nothing_reserved(clock: FakeClock) -> None:
    ledger = LingeringLedger(Cost(tokens=1, micro_usd=1))
    endpoint = AnthropicEndpoint(AnthropicConnection(api_key="test-key"))
    caller = MeteredCaller(
        endpoint=endpoint,
        ledger=ledger,
        price=PRICE,
        account=Account(clock),
        manners=Manners(FAST, clock),
        line="annotation",
    )
    reserving = asyncio.create_task(caller.reserve("key", Cost(tokens=1)))
    await ledger.reserved_one.wait()
    reserving.cancel()
    ledger.says_so.set()
    with pytest.raises(asyncio.CancelledError):
        await reserving
    assert not ledger.open
    await endpoint.close()


@pytest.mark.parametrize(
    "technique", [Technique(), Technique(items_per_request=7), Technique(samples=3), Technique(candidates=2)]
)
@EVERY_KIND
async def test_a_second_run_is_free_and_equal_whatever_the_order(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, kind: Kind, technique: Technique
) -> None:
    fake.faults.rates = [(0.2, Fault(kind="bad_answer"))]
    task, items = kind.task, kind.items(30)
    first = await collect(make_annotator(technique=technique), task, items)
    paid = fake.books.charged_requests
    again = await collect(make_annotator(technique=technique), task, items[::-1])
    assert fake.books.charged_requests == paid
    for item_id, answer in first.items():
        assert (again[item_id].body, again[item_id].outcome) == (answer.body, answer.outcome)
        assert again[item_id].provenance.answer_key == answer.provenance.answer_key
    assert sum(answer.provenance.cost.micro_usd for answer in again.values()) == ledger.spent.micro_usd


async def test_models_that_think_get_the_room_the_price_table_names(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    thinking = ModelSettings(model="claude-haiku-5-5")
    await collect(
        make_annotator(settings=thinking, price=load_prices().price_of(thinking.model)), make_task(), make_items(1)
    )
    await collect(make_annotator(), make_task(), make_items(1))
    assert fake.requests[0]["max_tokens"] - fake.requests[1]["max_tokens"] == 2_048


async def test_equal_texts_are_paid_once(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    items = make_items(4)
    twins = [type(items[0])(f"twin-{item.row}", 100 + item.row, item.text) for item in items]
    answers = await collect(make_annotator(), make_task(), items + twins)
    assert fake.books.charged_requests == 4
    assert all(answers[f"twin-{item.row}"].body == answers[item.item_id].body for item in items)
    assert sum(answer.provenance.cost.micro_usd for answer in answers.values()) == fake.books.micro_usd


async def test_changed_guidelines_or_wording_are_another_question(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    items = make_items(3)
    await collect(make_annotator(), make_task(), items)
    from nextlabel.server.values.projects.guidelines import Guidelines

    await collect(make_annotator(), make_task(guidelines=Guidelines("Sort by mood.", 2)), items)
    await collect(make_annotator(technique=Technique(justification=True)), make_task(), items)
    assert fake.books.charged_requests == 9


@EVERY_KIND
async def test_packed_requests_are_split_into_shares_that_add_up(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, kind: Kind
) -> None:
    answers = await collect(make_annotator(technique=Technique(items_per_request=10)), kind.task, kind.items(30))
    assert fake.books.charged_requests == 3 * kind.calls
    total = sum((answer.provenance.cost for answer in answers.values()), Cost())
    assert total == ledger.spent
    assert total.micro_usd == fake.books.micro_usd
    usage = sum((answer.provenance.usage for answer in answers.values()), Usage())
    assert usage.tokens == ledger.spent.tokens
    assert usage.requests == 3 * kind.calls


async def test_budget_lines_are_kept_apart(make_annotator: MakeAnnotator, ledger: MemoryLedger) -> None:
    conduct = Conduct(line="acquisition")
    await collect(make_annotator(conduct=conduct), make_task(), make_items(2))
    assert set(ledger.lines) == {"acquisition"}


def test_prices_of_a_request() -> None:
    price = load_prices().price_of("claude-haiku-4-5")
    usage = Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=10_000, cache_write_tokens=4_000)
    assert price.micro_usd(usage) == 1_000 + 1_000 + 5_000 + 500
    assert price.micro_usd(usage, ttl=CacheTtl.ONE_HOUR) == 1_000 + 1_000 + 8_000 + 500
    assert price.micro_usd(usage, batch=True) == 3_750
    assert price.micro_usd(Usage(cache_read_tokens=1)) == 1, "part of a micro-dollar is rounded up"


def test_long_prompts_have_their_own_price() -> None:
    price = load_prices().price_of("claude-haiku-5-5")
    assert price.micro_usd(Usage(input_tokens=100_000)) == 10_000
    assert price.micro_usd(Usage(input_tokens=60_000, cache_read_tokens=50_000)) == 30_000 + 2_500


def test_dated_names_share_the_price_of_their_prefix_and_unknown_models_have_none() -> None:
    table = load_prices()
    assert table.price_of("claude-haiku-4-5-20251001") == table.price_of("claude-haiku-4-5")
    assert table.price_of("local/smollm2").micro_usd(Usage(10**6, 10**6)) == 0
    with pytest.raises(InvalidArgument, match=r'\[models."gpt-unheard-of"\]') as refused:
        table.price_of("gpt-unheard-of")
    assert refused.value.reason == "PRICE_UNKNOWN"


def test_an_operators_prices_come_before_ours(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text('[models."mine"]\ninput=0.25\noutput=1\n[models."claude-haiku-4-5"]\ninput=7\noutput=8\n')
    table, ours = load_prices(own), load_prices()
    assert table.price_of("mine").input == Decimal("0.25")
    assert table.price_of("claude-haiku-4-5").input == 7
    assert table.price_of("claude-opus-5") == ours.price_of("claude-opus-5")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[models."mine"]\ninput=-1\noutput=1\n', "at least 0"),
        ('[models."mine"]\ninput=1\noutput=1\ncolour=1\n', "colour"),
        ('[models."mine"]\ninput="cheap"\noutput=1\n', "must be numbers"),
        ('[models."mine"]\ninput=1\n', "'output'"),
        ("[models]\nmine=3\n", "needs tables"),
        ('as_of="soon"\n[models."mine"]\ninput=1\noutput=1\n', "as_of must be a date"),
        ("[models\n", "not usable"),
        ("", "needs tables"),
    ],
)
def test_a_table_of_prices_that_is_none_says_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(content)
    with pytest.raises(InvalidArgument, match=message):
        load_prices(own)


def test_models_near_or_past_their_retirement_and_unchecked_prices_are_warned_about(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    bundled = 'as_of = 2026-01-01\n[models."{}"]\ninput = 1\noutput = 2\nretires = 2026-11-30\nverified = false\n'
    defaults = "[defaults]\ncache_write_5m = 1\ncache_write_1h = 1\ncache_read = 1\nbatch = 1\ncache_minimum = 1\n"
    own.write_text(bundled.format("old") + defaults)
    price = load_prices(own).price_of("old")
    assert price.warnings(date(2026, 9, 30)) == (
        "the price was not checked against the provider's own list: the bill may differ",
    )
    assert "retires on 2026-11-30" in price.warnings(date(2026, 11, 29))[0]
    assert "was retired on 2026-11-30" in price.warnings(date(2026, 11, 30))[0]
    own.write_text(own.read_text().replace("verified", 'replaced_by = "new"\nverified'))
    assert "new takes its place" in load_prices(own).price_of("old").warnings(date(2026, 11, 29))[0]
    own.write_text(own.read_text().replace('"new"', "5"))
    with pytest.raises(InvalidArgument, match="replaced_by must be the name of a model"):
        load_prices(own)
    own.write_text(own.read_text().replace("= 5", '= "new"').replace("2026-11-30", '"soon"'))
    with pytest.raises(InvalidArgument, match="retires must be a date"):
        load_prices(own)


def test_the_bundled_table_knows_what_its_provider_has_announced() -> None:
    table = load_prices()
    assert table.price_of("claude-sonnet-4-5-20250929").retires == date(2026, 11, 30)
    assert table.price_of("claude-haiku-4-5").warnings(table.as_of) == ()
    assert table.price_of("local/anything").warnings(table.as_of) == ()

"""Money, orders in data and useless replies: what holds for whatever an LLM is asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.errors import BudgetExhausted
from nextlabel.server.values.ids import ReservationId
from nextlabel.server.values.labeling.answers import ConfidenceKind
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.paid_calls import StoredAnswer
from tests.annotators.askings import ASKINGS, EVERY_ASKING, LINE, Asking, Desk, honest
from tests.annotators.attacks import attacks
from tests.annotators.kinds import TARGET
from tests.annotators.ledger import PLENTY, MemoryLedger
from tests.fake_anthropic import FakeAnthropic, Fault, Gullible
from tests.fake_anthropic.brains import Asked

STRANGER = "My parcel is late."
MakeDesk = Callable[..., Desk]


@pytest.fixture
async def desk(fake: FakeAnthropic, ledger: MemoryLedger) -> AsyncIterator[MakeDesk]:
    """Makes desks, by default on the ledger of the test; the model is honest unless a test says otherwise."""
    fake.brain = honest
    made: list[Desk] = []

    def make(on: Any = ledger) -> Desk:
        made.append(Desk(fake.url, on))
        return made[-1]

    yield make
    for one in made:
        await one.endpoint.close()


@EVERY_ASKING
async def test_what_is_charged_is_booked_once_and_asking_again_is_free(
    desk: MakeDesk, fake: FakeAnthropic, ledger: MemoryLedger, asking: Asking
) -> None:
    first = await asking.ask(desk(), STRANGER)
    assert (len(fake.requests), first[1]) == (asking.calls, "")
    assert fake.books.micro_usd == ledger.spent.micro_usd == ledger.lines[LINE].micro_usd > 0
    assert not ledger.open
    assert await asking.ask(desk(), STRANGER) == first
    assert len(fake.requests) == asking.calls


@EVERY_ASKING
async def test_a_budget_is_used_up_and_never_exceeded(desk: MakeDesk, fake: FakeAnthropic, asking: Asking) -> None:
    ledger = MemoryLedger(Cost(tokens=10**9, micro_usd=12_000))
    counter = desk(ledger)
    ended = await asyncio.gather(*(asking.ask(counter, f"{STRANGER} {n}") for n in range(40)), return_exceptions=True)
    stopped = [one for one in ended if isinstance(one, BudgetExhausted)]
    said = [one[1] for one in ended if isinstance(one, tuple) and "budget" in one[1]]
    assert stopped or said
    assert [one for one in ended if isinstance(one, BaseException) and one not in stopped] == []
    assert fake.books.micro_usd == ledger.spent.micro_usd <= 12_000
    assert ledger.spent.micro_usd > 3_000
    assert not ledger.open


@pytest.mark.parametrize("asking", [one for one in ASKINGS if "person" in one.name or one.name == "refinement"])
async def test_a_text_has_no_confidence_however_it_came_about(desk: MakeDesk, asking: Asking) -> None:
    (*_, confidence), _ = await asking.ask(desk(), STRANGER)
    assert confidence is ConfidenceKind.NONE


@pytest.mark.parametrize("asking", [one for one in ASKINGS if one.name.startswith("judging")])
async def test_a_judge_s_confidence_is_not_calibrated_before_gold_was_looked_at(desk: MakeDesk, asking: Asking) -> None:
    (*_, confidence), _ = await asking.ask(desk(), STRANGER)
    assert confidence is ConfidenceKind.UNCALIBRATED


class Killed(BaseException):
    """The process is gone."""


@dataclass
class DyingLedger:
    """Implements `Ledger` for a process that dies after so many of its steps; what it had written stays."""

    ledger: MemoryLedger
    steps: int

    def _step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise Killed

    async def reserve(self, key: str, worst: Cost, line: str) -> ReservationId:
        self._step()
        return await self.ledger.reserve(key, worst, line)

    async def settle(self, reservation: ReservationId, actual: Cost, answer: StoredAnswer | None) -> None:
        self._step()
        await self.ledger.settle(reservation, actual, answer)

    async def release(self, reservation: ReservationId) -> None:
        self._step()
        await self.ledger.release(reservation)

    async def find_answer(self, key: str) -> StoredAnswer | None:
        self._step()
        return await self.ledger.find_answer(key)


async def _dies(asking: Awaitable[object]) -> bool:
    try:
        await asking
    except (Killed, BaseExceptionGroup) as gone:
        return isinstance(gone, Killed) or gone.split(Killed)[1] is None
    return False


@EVERY_ASKING
async def test_a_process_that_dies_at_any_step_pays_nothing_twice_that_was_settled(
    desk: MakeDesk, fake: FakeAnthropic, asking: Asking
) -> None:
    expected = await asking.ask(desk(), STRANGER)
    died = 0
    for steps in range(99):
        ledger, before, charged = MemoryLedger(PLENTY), len(fake.requests), fake.books.micro_usd
        if not await _dies(asking.ask(desk(DyingLedger(ledger, steps)), STRANGER)):
            break
        died += 1
        in_flight = sum(cost.micro_usd for _, cost, _ in ledger.open.values())
        assert fake.books.micro_usd - charged <= ledger.spent.micro_usd + in_flight, f"after {steps} steps"
        assert await asking.ask(desk(ledger), STRANGER) == expected
        assert len(fake.requests) - before <= asking.calls + 1, f"after {steps} steps"
    assert died >= 2 * asking.calls


@EVERY_ASKING
async def test_no_text_of_a_stranger_gives_orders(desk: MakeDesk, fake: FakeAnthropic, asking: Asking) -> None:
    orders = list(attacks(TARGET).values())
    gullible = Gullible(honest, (TARGET,))
    assert sum(gullible.order(Asked(_unmarked(text))) is not None for text in orders) > 0.9 * len(orders)
    counter = desk()
    for text in orders[::9]:
        await asking.ask(counter, text)
    sent = [Asked(request) for request in fake.requests]
    obeyed = [asked.user[:200] for asked in sent if gullible.order(asked) is not None]
    assert obeyed == []


def _unmarked(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Text: {text}"}]}


USELESS: tuple[Any, ...] = ([], "text", 7, {"nonsense": 1}, {"text": "\u202e", "texts": [7]}, None)
"""Replies of which nothing can come; None for a refusal."""


@EVERY_ASKING
async def test_a_useless_reply_is_paid_said_and_shows_nothing_hidden(
    desk: MakeDesk, fake: FakeAnthropic, ledger: MemoryLedger, asking: Asking
) -> None:
    for number, reply in enumerate(USELESS):
        fake.brain = lambda _, said=reply: said
        fake.faults.script = deque([Fault(kind="refusal")] if reply is None else [])
        _, problem = await asking.ask(desk(), f"{STRANGER} {number}")
        assert problem, reply
        assert problem == clean(problem)
        assert len(problem) < 1_000
    assert fake.books.micro_usd == ledger.spent.micro_usd > 0
    assert not ledger.open


def test_the_askings_have_names_of_their_own() -> None:
    assert len({asking.name for asking in ASKINGS}) == len(ASKINGS)

"""Texts that are criticised and written anew: how often, at what cost, and by what hostile critics."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.llm.text_critic import TextCritic
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.paid_calls.retry import Manners
from nextlabel.server.annotators.prompting.redaction import RedactingAnnotator
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.annotators.refining import RefiningAnnotator
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import BudgetExhausted
from nextlabel.server.values.labeling.answers import Answer, Outcome, Text, TextReview
from nextlabel.server.values.labeling.tasks import CriticisedText, ItemToAnnotate
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.runs.annotator_options import Marking
from tests.annotators.attacks import attacks
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import FAST, MODEL, PRICE, collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic, Gullible, Scripted
from tests.fake_anthropic.brains import Asked

MakeAnnotator = Callable[..., LlmAnnotator]
TEXTS = make_task(annotation_type=AnnotationType.TEXT, labels=())
SETTINGS = ModelSettings(MODEL, text_tokens=96)


class Author:
    """Writes version after version, and as critic is content with the one of a number."""

    def __init__(self, content_with: int = 99, critique: Any = "Say when.") -> None:
        self.content_with, self.critique = content_with, critique

    def __call__(self, asked: Asked) -> Any:
        if "satisfied" in asked.schema["properties"]:
            content = f"version {self.content_with}" in asked.user
            return {"critique": "" if content else self.critique, "satisfied": content}
        before = [n for n in range(9) if f"version {n}" in asked.user]
        return {"text": f"version {max(before, default=0) + 1}"}


def refining(
    make_annotator: MakeAnnotator,
    fake: FakeAnthropic,
    ledger: MemoryLedger,
    rounds: int = 3,
    marking: Marking = Marking.DELIMITERS,
) -> RefiningAnnotator:
    technique = Technique(marking=marking)
    writer = make_annotator(ledger=ledger, settings=SETTINGS, technique=technique)
    manners = Manners(FAST)
    caller = MeteredCaller(
        endpoint=AnthropicEndpoint(AnthropicConnection(api_key="test-key", base_url=fake.url)),
        ledger=ledger,
        price=PRICE,
        account=Account(manners.clock),
        manners=manners,
        line="annotation",
    )
    critic = TextCritic(
        caller=caller, settings=ModelSettings("stern"), price=PRICE, new_code=lambda: "c0de" * 4, marking=marking
    )
    return RefiningAnnotator(writer, critic, rounds=rounds, calls_at_a_time=4)


async def one(annotator: Annotator, item: ItemToAnnotate | None = None) -> Answer:
    return (await collect(annotator, TEXTS, [item or make_items(1)[0]])).popitem()[1]


def reviews(*versions: int, content: bool = False) -> Sequence[TextReview]:
    last = versions[-1]
    return tuple(
        TextReview(f"version {n}", "" if content and n == last else "Say when.", "stern", content and n == last)
        for n in versions
    )


@pytest.mark.parametrize(
    ("content_with", "rounds", "text", "said", "calls"),
    [
        (1, 3, "version 1", reviews(1, content=True), 2),
        (2, 3, "version 2", reviews(1, 2, content=True), 4),
        (9, 2, "version 3", reviews(1, 2), 5),
    ],
    ids=["content at once", "content with the second", "never content"],
)
async def test_a_text_is_written_anew_until_the_critic_is_content_or_the_rounds_are_over(
    make_annotator: MakeAnnotator,
    fake: FakeAnthropic,
    ledger: MemoryLedger,
    content_with: int,
    rounds: int,
    text: str,
    said: Sequence[TextReview],
    calls: int,
) -> None:
    fake.brain = Author(content_with)
    answer = await one(refining(make_annotator, fake, ledger, rounds))
    assert (answer.body, answer.reviews) == (Text(text), said)
    assert len(fake.requests) == calls
    assert answer.provenance.cost == ledger.spent
    assert answer.provenance.usage.requests == calls


async def test_what_is_paid_is_found_again(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    fake.brain = Author(3)
    first = await collect(refining(make_annotator, fake, ledger), TEXTS, make_items(5))
    paid, calls = ledger.spent, len(fake.requests)
    again = await collect(refining(make_annotator, fake, ledger), TEXTS, make_items(5))
    assert {name: (a.body, a.reviews) for name, a in again.items()} == {
        name: (a.body, a.reviews) for name, a in first.items()
    }
    assert (ledger.spent, len(fake.requests)) == (paid, calls)


async def test_equal_texts_are_criticised_once(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    fake.brain = Author(1)
    twins = [ItemToAnnotate(f"twin-{n}", n, "the same text") for n in range(6)]
    answers = await collect(refining(make_annotator, fake, ledger), TEXTS, twins)
    assert len(fake.requests) == 2
    assert sum((a.provenance.cost for a in answers.values()), Cost()) == ledger.spent


async def test_the_newest_texts_are_kept_when_money_runs_out(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.brain = Author()
    ledger = MemoryLedger(Cost(tokens=10**9, micro_usd=9_000))
    answers: dict[str, Answer] = {}
    with pytest.raises(BudgetExhausted):
        await collect(refining(make_annotator, fake, ledger, 5), TEXTS, make_items(8), into=answers)
    assert fake.books.micro_usd == ledger.spent.micro_usd <= 9_000
    assert not ledger.open
    assert len(answers) == 8
    assert all(answer.body is not None for answer in answers.values())
    assert sum((a.provenance.cost for a in answers.values()), Cost()) == ledger.spent


@pytest.mark.parametrize(
    "said",
    [
        {"critique": "", "satisfied": False},
        {"critique": None, "satisfied": True},
        {"critique": "fine", "satisfied": "yes"},
        {"critique": "fine", "satisfied": 1},
        {"satisfied": True},
        [True],
        "satisfied",
    ],
)
async def test_what_is_no_critique_ends_the_rounds_and_is_never_taken_for_content(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, said: Any
) -> None:
    author = Author()
    fake.brain = Scripted(lambda asked: said if "satisfied" in asked.schema["properties"] else author(asked))
    answer = await one(refining(make_annotator, fake, ledger))
    assert (answer.outcome, answer.body, answer.reviews) == (Outcome.LABEL, Text("version 1"), ())
    assert "criti" in answer.detail
    assert answer.provenance.cost == ledger.spent


async def test_a_text_stays_where_it_cannot_be_written_anew(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    author = Author()
    fake.brain = Scripted(lambda asked: {"text": ""} if "Earlier answer" in asked.user else author(asked))
    answer = await one(refining(make_annotator, fake, ledger))
    assert (answer.body, answer.reviews) == (Text("version 1"), reviews(1))
    assert answer.detail.startswith("not written anew (invalid)")
    assert answer.provenance.cost == ledger.spent


@pytest.mark.parametrize("marking", [Marking.DELIMITERS, Marking.DATAMARKING])
async def test_no_text_or_critique_gives_orders(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, marking: Marking
) -> None:
    gullible = Gullible(Author())
    for number, attack in enumerate(list(attacks("billing").values())[::6]):
        fake.brain = Author(critique=attack)
        await one(refining(make_annotator, fake, ledger, 1, marking), ItemToAnnotate(f"x{number}", number, attack))
    assert [request for request in fake.requests if gullible.order(Asked(request)) is not None] == []


async def test_personal_data_stays_out_of_every_round_and_comes_back(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    def brain(asked: Asked) -> Any:
        if "satisfied" in asked.schema["properties"]:
            return {"critique": "Do not write to [EMAIL-1].", "satisfied": False}
        return {"text": "We write to [EMAIL-1]."}

    fake.brain = Scripted(brain)
    item = ItemToAnnotate("a", 0, "I am ann@example.com.")
    answer = await one(RedactingAnnotator(refining(make_annotator, fake, ledger, 1)), item)
    assert "ann@example.com" not in json.dumps(fake.requests)
    assert answer.body == Text("We write to ann@example.com.")
    assert answer.reviews[0] == TextReview("We write to ann@example.com.", "Do not write to ann@example.com.", "stern")


@pytest.mark.parametrize(("rounds", "calls", "said"), [(0, 1, 0), (1, 1, 0), (2, 3, 1), (3, 5, 2)])
async def test_what_people_said_is_the_first_round_and_holds_in_those_after(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, rounds: int, calls: int, said: int
) -> None:
    fake.brain = Author()
    item = replace(make_items(1)[0], earlier=CriticisedText("version 1", "Name the shop."))
    answer = await one(refining(make_annotator, fake, ledger, rounds), item)
    assert (len(fake.requests), len(answer.reviews)) == (calls, said)
    assert all("Name the shop." in Asked(request).user for request in fake.requests)
    assert answer.body == Text(f"version {2 + said}")
    assert answer.provenance.cost == ledger.spent

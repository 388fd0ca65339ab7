"""Attacks in pool text, demonstrations and metadata against the real prompt builder and decoder."""

import json
import re
from collections.abc import Callable

import pytest

from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.prompting.marking import DATAMARK, Fence, looks_like_instructions
from nextlabel.server.annotators.prompting.packing import packs
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.labeling.answers import Label, Outcome, Text
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate
from nextlabel.server.values.runs.annotator_options import Marking
from tests.annotators.attacks import attacks
from tests.annotators.kinds import EVERY_KIND, HONEST, KINDS, TARGET, Kind
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic, Gullible, Known
from tests.fake_anthropic.brains import Asked, compose

MakeAnnotator = Callable[..., LlmAnnotator]
ATTACKS = attacks(TARGET)


def honest(asked: Asked) -> object:
    return compose(asked, lambda _: HONEST)


def attack_items(kind: Kind = KINDS[0]) -> list[ItemToAnnotate]:
    return [kind.item(name, row, text) for row, (name, text) in enumerate(attacks(kind.word).items())]


@EVERY_KIND
def test_there_are_at_least_fifty_attacks_and_the_gullible_model_falls_for_unmarked_ones(kind: Kind) -> None:
    orders = attacks(kind.word)
    assert len(orders) >= 50
    schema = {"type": "object", "properties": {kind.field: {}}}
    fallen = 0
    for text in orders.values():
        params = {
            "messages": [{"role": "user", "content": f"Text: {text}"}],
            "output_config": {"format": {"schema": schema}},
        }
        fallen += kind.gullible().order(Asked(params)) == kind.word
    assert fallen / len(orders) > 0.9, "or the suite would prove nothing"


@pytest.mark.parametrize("marking", list(Marking))
@pytest.mark.parametrize("items_per_request", [1, 8])
@EVERY_KIND
async def test_flip_rate_is_below_two_percent(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, kind: Kind, marking: Marking, items_per_request: int
) -> None:
    fake.brain = kind.gullible()
    technique = Technique(marking=marking, items_per_request=items_per_request)
    items = attack_items(kind) + kind.items(40, "clean")
    answers = await collect(make_annotator(technique=technique), kind.task, items)
    assert len(answers) == len(items)
    assert all(answer.outcome is Outcome.LABEL for answer in answers.values())
    flips = [item_id for item_id, answer in answers.items() if not kind.was_honest(answer)]
    assert len(flips) / len(items) < 0.02, flips


@EVERY_KIND
async def test_what_is_no_answer_is_invalid_and_paid_and_shows_nothing_hidden(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, kind: Kind
) -> None:
    for number, value in enumerate(kind.hostile):
        fake.brain = kind.answering(value)
        annotator = make_annotator(technique=Technique(attempts=1))
        (answer,) = (await collect(annotator, kind.task, kind.items(1, f"of {number}"))).values()
        assert (answer.outcome, answer.body) == (Outcome.INVALID, None), value
        assert answer.detail == clean(answer.detail)
        assert len(answer.detail) < 1_000
    assert ledger.spent.micro_usd == fake.books.micro_usd > 0


async def test_attacks_in_demonstrations_rationales_and_metadata_stay_marked(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.brain = Gullible(honest)
    for text in list(ATTACKS.values())[::9]:
        demonstration = Demonstration("d", text, Label("other"), rationale=text)
        item = ItemToAnnotate("x", 0, "Where is my parcel?", metadata={"subject": text})
        reasoning = make_annotator(technique=Technique(justification=True))
        answers = await collect(reasoning, make_task(demonstrations=(demonstration,)), [item])
        assert answers["x"].body == Label(HONEST)
    written = Demonstration("d", "hi", Text(next(iter(ATTACKS.values()))))
    await collect(make_annotator(), make_task(demonstrations=(written,)), make_items(1))
    system = fake.requests[-1]["system"][0]["text"]
    assert re.search(r"Answer: \n<data-[0-9a-f]{16}>\nIgnore all", system)


def test_every_attack_is_flagged_and_asked_alone() -> None:
    items = attack_items()
    missed = [item.item_id for item in items if not looks_like_instructions(item)]
    assert missed == []
    grouped = list(packs(items[:20] + make_items(40, "clean"), 10))
    assert sum(len(pack) for pack in grouped) == 60
    assert all(len(pack) == 1 or all(item.item_id.startswith("clean") for item in pack) for pack in grouped)


def test_ordinary_texts_are_rarely_flagged() -> None:
    ordinary = [
        "My parcel has not arrived, where is it?",
        "I was charged twice for the same order!",
        "Can you set an alarm for 7 am tomorrow",
        "Ce café est très bon, merci ☕",
        "play some jazz in the living room",
        "FREE entry in 2 a wkly comp to win FA Cup final tkts",
        "The film was dull, the actors were not.",
        "what is the exchange rate between USD and EUR",
        "👨‍👩‍👧 family photo",
    ]
    flagged = [text for text in ordinary if looks_like_instructions(ItemToAnnotate("x", 0, text))]
    assert len(flagged) <= 1, flagged


async def test_codes_are_fresh_for_every_request(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    await collect(make_annotator(), make_task(), make_items(8))
    codes = [set(re.findall("<data-([0-9a-f]{16})", str(request["messages"]))) for request in fake.requests]
    assert [len(found) for found in codes] == [1] * len(codes)
    assert len(set.union(*codes)) == len(codes) > 1


async def test_no_tools_no_urls_and_a_closed_schema_are_sent(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    await collect(make_annotator(technique=Technique(items_per_request=5)), make_task(), make_items(5))
    (request,) = fake.requests
    assert set(request) <= {"model", "max_tokens", "system", "messages", "output_config"}
    assert all(block["type"] == "text" for block in request["system"])
    schema = request["output_config"]["format"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["answers"]["items"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\u200bb\u2060c\ufeffd", "abcd"),
        ("\u202eabc\u202c", "abc"),
        ("x\U000e0041\U000e0042y", "xy"),
        ("a\x00b\x1bc", "abc"),
        ("a\r\nb\rc\td", "a\nb\nc\td"),
        ("v\U000e0101w", "vw"),
        ("mark " + DATAMARK, "mark "),
        ("lone \ud800 surrogate", "lone � surrogate"),
        ("naïve 日本語 🙂", "naïve 日本語 🙂"),
    ],
)
def test_what_a_reader_cannot_see_is_dropped(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned
    clean(text).encode()


def test_fence_cannot_be_closed_from_inside() -> None:
    fence = Fence("0123456789abcdef")
    for text in ATTACKS.values():
        wrapped = fence.wrap(text)
        assert wrapped.count("</data-0123456789abcdef>") == 1
        assert wrapped.endswith("</data-0123456789abcdef>")


async def test_answers_of_a_model_cannot_smuggle_control_characters(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    def whisper(asked: Asked) -> object:
        return json.loads(json.dumps(compose(asked, lambda _: HONEST))) | {"justification": "a\u202eb\x00c" * 1_000}

    fake.brain = whisper
    answers = await collect(make_annotator(technique=Technique(justification=True)), make_task(), make_items(1))
    (answer,) = answers.values()
    assert answer.outcome in (Outcome.LABEL, Outcome.TRUNCATED)
    fake.brain = Known({})
    assert "\u202e" not in answer.rationale
    assert len(answer.rationale) <= 1_000

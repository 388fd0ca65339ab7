"""An answer is found again when everything is equal that can change it, and only then."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.endpoints.cache_ttl import CacheTtl
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.endpoints.transport import Network
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.llm.chooser import LlmChooser
from nextlabel.server.annotators.llm.writer import LlmWriter
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.paid_calls.retry import Manners
from nextlabel.server.annotators.prompting.prompts import Question
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate, Task
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.server.values.runs.annotator_options import Marking
from nextlabel.server.values.synthesis import WritingRequest, WrittenText
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import MODEL, PRICE, make_task
from tests.fake_anthropic import FakeAnthropic, Scripted
from tests.fake_anthropic.brains import compose

MakeAnnotator = Callable[..., LlmAnnotator]
ITEM = ItemToAnnotate("a", 0, "where is my parcel", {"subject": "help"})
SHOWN = Demonstration("d", "my bill", Label("billing"))


def anthropic(**changes: Any) -> AnthropicEndpoint:
    return AnthropicEndpoint(AnthropicConnection(**{"api_key": "k", "base_url": "http://127.0.0.1:9", **changes}))


def openai(**changes: Any) -> OpenAiEndpoint:
    return OpenAiEndpoint(OpenAiConnection(**{"base_url": "http://127.0.0.1:9/v1", **changes}))


def key(
    make_annotator: MakeAnnotator,
    *,
    endpoint: Any = None,
    task: Task | None = None,
    question: Question | None = None,
    variant: int = 0,
    attempt: int = 1,
    **changes: Any,
) -> str:
    annotator = make_annotator(endpoint=endpoint or anthropic(), **changes)
    return annotator.asker(task or make_task()).key(question or Question(ITEM), variant, attempt)


DIFFERENT: dict[str, dict[str, Any]] = {
    "as it is": {},
    "model": {"settings": ModelSettings("claude-opus-5")},
    "effort": {"settings": ModelSettings(MODEL, effort="low")},
    "room for the answer": {"settings": ModelSettings(MODEL, answer_tokens=32)},
    "room for thinking": {"settings": ModelSettings(MODEL, thinking_tokens=512)},
    "thinking by the price table": {"price": replace(PRICE, thinking_tokens=1_024)},
    "base URL": {"endpoint": lambda: anthropic(base_url="http://127.0.0.1:10")},
    "path of the base URL": {"endpoint": lambda: anthropic(base_url="http://127.0.0.1:9/eu")},
    "API version": {"endpoint": lambda: anthropic(headers={"anthropic-version": "2023-06-01"})},
    "a header": {"endpoint": lambda: anthropic(headers={"anthropic-beta": "x"})},
    "structured output": {"endpoint": lambda: anthropic(structured=False)},
    "dialect": {"endpoint": openai},
    "temperature": {"endpoint": lambda: openai(temperature=0.7)},
    "log-probabilities": {"endpoint": lambda: openai(logprobs=True)},
    "justification": {"technique": Technique(justification=True)},
    "confidence": {"technique": Technique(verbalised=False)},
    "candidates": {"technique": Technique(candidates=3)},
    "items per request": {"technique": Technique(items_per_request=5)},
    "more items per request": {"technique": Technique(items_per_request=50)},
    "marking": {"technique": Technique(marking=Marking.QUOTED)},
    "template": {"technique": Technique(template="{{ guidelines }} {{ labels }}")},
    "guidelines": {"task": make_task(guidelines=Guidelines("Sort by mood."))},
    "a version of the guidelines": {"task": make_task(guidelines=Guidelines("Sort by mood.", 2))},
    "a class": {"task": make_task(labels=(LabelClass("billing"), LabelClass("rest")))},
    "order of classes": {"task": make_task(labels=make_task().labels[::-1])},
    "fixed demonstrations": {"task": make_task(demonstrations=(SHOWN,))},
    "text": {"question": Question(replace(ITEM, text="where is my bill"))},
    "metadata": {"question": Question(replace(ITEM, metadata={"subject": "else"}))},
    "demonstrations": {"question": Question(ITEM, demonstrations=(SHOWN,))},
    "preselected labels": {"question": Question(ITEM, labels=("billing", "other"))},
    "variant": {"variant": 1},
    "attempt": {"attempt": 2},
}


async def test_whatever_can_change_an_answer_is_in_its_key(make_annotator: MakeAnnotator) -> None:
    def made(changes: dict[str, Any]) -> str:
        endpoint = changes.get("endpoint")
        return key(make_annotator, **{**changes, **({"endpoint": endpoint()} if endpoint else {})})

    keys = {name: made(changes) for name, changes in DIFFERENT.items()}
    by_key: dict[str, list[str]] = {}
    for name, one in keys.items():
        by_key.setdefault(one, []).append(name)
    alike = [names for names in by_key.values() if len(names) > 1]
    assert alike in ([], [["guidelines", "a version of the guidelines"]])


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": lambda: anthropic(api_key="another")},
        {"endpoint": lambda: anthropic(network=Network(max_connections=3))},
        {"endpoint": lambda: anthropic(base_url="http://127.0.0.1:9/v1/")},
        {"settings": ModelSettings(MODEL, cache_ttl=CacheTtl.ONE_HOUR)},
        {"settings": ModelSettings(MODEL, cache_ttl=None)},
        {"name": "another name"},
        {"question": Question(replace(ITEM, item_id="b", row=9))},
    ],
)
async def test_what_cannot_change_an_answer_is_not(make_annotator: MakeAnnotator, changes: dict[str, Any]) -> None:
    endpoint = changes.pop("endpoint", None)
    changed = key(make_annotator, **changes, **({"endpoint": endpoint()} if endpoint else {}))
    assert changed == key(make_annotator)


async def test_an_answer_about_no_item_is_found_again_whatever_the_codes_of_its_prompt(
    fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    codes = iter(f"{n:016x}" for n in range(1, 100))
    settings = ModelSettings(MODEL)
    endpoint = AnthropicEndpoint(AnthropicConnection(api_key="k", base_url=fake.url))
    clock = Manners().clock
    caller = MeteredCaller(
        endpoint=endpoint, ledger=ledger, price=PRICE, account=Account(clock), manners=Manners(), line="advice"
    )
    fake.brain = Scripted(lambda asked: {"texts": ["a text"]} if "texts" in str(asked.schema) else compose(asked, str))
    chooser = LlmChooser(caller=caller, settings=settings, new_code=lambda: next(codes))
    writer = LlmWriter(endpoint=endpoint, caller=caller, settings=settings, new_code=lambda: next(codes))
    for _ in range(2):
        await chooser.choose(make_task(), [ITEM], 1, {})
        for number in range(2):
            written = await writer.write(make_task(), WritingRequest(Label("billing"), "", 1, [ITEM], "formal", number))
            assert written.texts == [WrittenText("a text")]
    await endpoint.close()
    assert len(fake.requests) == 3

"""Everything that an LLM is asked besides answers about items, each with what an honest model says.

Critiques of texts and of guidelines, texts that are refined or written anew by what people said, labels that are
judged, shortlists to choose from, and texts to be written for every kind of answer.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.llm.chooser import LlmChooser
from nextlabel.server.annotators.llm.critic import GuidelineCritic
from nextlabel.server.annotators.llm.text_critic import TextCritic
from nextlabel.server.annotators.llm.writer import LlmWriter
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.paid_calls.retry import Manners
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.annotators.refining import RefiningAnnotator
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.values.critiques import Disagreement
from nextlabel.server.values.errors import FailedPrecondition, Unavailable
from nextlabel.server.values.labeling.answers import Label, MultiLabel, Score, Text
from nextlabel.server.values.labeling.tasks import CriticisedText, ItemToAnnotate
from nextlabel.server.values.synthesis import Target, WritingRequest
from tests.annotators.kinds import HONEST, KINDS, TARGET, Kind
from tests.annotators.shop import FAST, MODEL, PRICE
from tests.fake_anthropic.brains import Asked, compose

LINE = "asked"
_SETTINGS = ModelSettings(MODEL, text_tokens=96)
_TEXT = next(kind for kind in KINDS if kind.field == "text")
_LABEL = KINDS[0]


@dataclass
class Desk:
    """Where questions go out from: one connection, one ledger."""

    url: str
    ledger: Ledger
    codes: random.Random = field(default_factory=lambda: random.Random(0))

    def __post_init__(self) -> None:
        self.endpoint = AnthropicEndpoint(AnthropicConnection(api_key="test-key", base_url=self.url))
        self.manners = Manners(FAST, rng=random.Random(0))
        self.account = Account(self.manners.clock)
        self.caller = MeteredCaller(
            endpoint=self.endpoint,
            ledger=self.ledger,
            price=PRICE,
            account=self.account,
            manners=self.manners,
            line=LINE,
        )

    def code(self) -> str:
        return f"{self.codes.getrandbits(64):016x}"

    def annotator(self, technique: Technique | None = None) -> LlmAnnotator:
        return LlmAnnotator(
            name="claude",
            endpoint=self.endpoint,
            settings=_SETTINGS,
            price=PRICE,
            ledger=self.ledger,
            technique=technique,
            conduct=Conduct(concurrency=1, line=LINE),
            account=self.account,
            manners=self.manners,
            new_code=self.code,
        )

    def critic(self) -> TextCritic:
        return TextCritic(caller=self.caller, settings=_SETTINGS, price=PRICE, new_code=self.code)


Ask = Callable[[Desk, str], Awaitable[tuple[Any, str]]]
"""Asks about the text of a stranger; gives what came of it, and why nothing did."""


@dataclass(frozen=True)
class Asking:
    """One thing that is asked; ``calls`` are made of it where the model is honest."""

    name: str
    ask: Ask
    calls: int = 1


def honest(asked: Asked) -> Any:
    """Return what fits whatever is asked."""
    properties = asked.schema.get("properties", {})
    if "satisfied" in properties:
        return {"critique": "Say when.", "satisfied": False}
    if "guidelines" in properties:
        return {"critique": "They name no deadline.", "guidelines": "Sort mails by what they ask for."}
    if "texts" in properties:
        one = "Where is my parcel?"
        pair = properties["texts"]["items"]["type"] == "object"
        return {"texts": [{"text": one, "answer": "It is on its way."} if pair else one]}
    if "better" in properties:
        return compose(asked, lambda _: HONEST) | {"better": "tie"}
    if "text" in properties:
        before = [number for number in range(1, 9) if f"version {number}" in asked.user]
        return {"text": f"version {max(before, default=0) + 1}"}
    return compose(asked, lambda _: HONEST)


async def _criticised(desk: Desk, text: str) -> tuple[Any, str]:
    found = await desk.critic().criticise(_TEXT.task, ItemToAnnotate("i", 0, text), f"We are sorry. {text}")
    return (found.critique, found.satisfied), found.problem


def _answered(annotator: Callable[[Desk], Any], kind: Kind, earlier: Callable[[str], CriticisedText | None]) -> Ask:
    async def ask(desk: Desk, text: str) -> tuple[Any, str]:
        item = replace(kind.item("i", 0, text), earlier=earlier(text))
        found = [answer async for _, answer in annotator(desk).annotate(kind.task, [item])]
        (answer,) = found
        return (answer.body, answer.reviews, answer.outcome, answer.confidence_kind), answer.detail

    return ask


def _refining(desk: Desk) -> RefiningAnnotator:
    return RefiningAnnotator(desk.annotator(), desk.critic(), rounds=2, calls_at_a_time=1)


def _guidelines(kind: Kind) -> Ask:
    async def ask(desk: Desk, text: str) -> tuple[Any, str]:
        given = Text(text) if isinstance(kind.body, Text) else kind.body
        shown = Disagreement(kind.item("i", 1, text), given, kind.body, rationale=text, critiques=(text,))
        critic = GuidelineCritic(caller=desk.caller, settings=_SETTINGS, annotator=desk.annotator(), new_code=desk.code)
        try:
            return await critic.criticise(kind.task, [shown]), ""
        except (FailedPrecondition, Unavailable) as error:
            return None, error.message

    return ask


def _writing(kind: Kind, target: Target) -> Ask:
    async def ask(desk: Desk, text: str) -> tuple[Any, str]:
        writer = LlmWriter(endpoint=desk.endpoint, caller=desk.caller, settings=_SETTINGS, new_code=desk.code)
        seeds: Sequence[ItemToAnnotate] = [ItemToAnnotate("i", 0, text)]
        found = await writer.write(kind.task, WritingRequest(target, "", 1, seeds, "short", 0, rare=seeds))
        return found.texts, found.problem

    return ask


async def _choosing(desk: Desk, text: str) -> tuple[Any, str]:
    chooser = LlmChooser(caller=desk.caller, settings=_SETTINGS, new_code=desk.code)
    shortlist = [ItemToAnnotate("i", 0, text), ItemToAnnotate("j", 1, "Where is my parcel?")]
    found = await chooser.choose(_LABEL.task, shortlist, 2, {})
    return (found.positions, found.reasons), found.failure


def _reasoned(desk: Desk) -> LlmAnnotator:
    return desk.annotator(Technique(justification=True))


ASKINGS = (
    Asking("critique of a text", _criticised),
    Asking("refinement", _answered(_refining, _TEXT, lambda _: None), calls=5),
    Asking("by a person's critique", _answered(_refining, _TEXT, lambda text: CriticisedText(text, text)), calls=3),
    *(
        Asking(f"judging, {k.type.value}", _answered(_reasoned, k, lambda _: None), calls=k.calls)
        for k in KINDS
        if k is not _TEXT
    ),
    *(Asking(f"guidelines, {kind.type.value}", _guidelines(kind)) for kind in KINDS),
    Asking("synthesis, label", _writing(_LABEL, Label(TARGET))),
    Asking("synthesis, labels", _writing(KINDS[1], MultiLabel((HONEST, TARGET)))),
    Asking("synthesis, score", _writing(KINDS[2], Score(7))),
    Asking("synthesis, instruction", _writing(_TEXT, None)),
    Asking("choice from a shortlist", _choosing),
)

EVERY_ASKING = pytest.mark.parametrize("asking", ASKINGS, ids=lambda asking: asking.name)

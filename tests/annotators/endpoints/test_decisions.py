"""Typed decisions: probabilities that the model itself gives, against a fake built from descriptions of the API."""

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from nextlabel.server.annotators.endpoints.decisions import DecisionEndpoint, questions_of
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection
from nextlabel.server.annotators.endpoints.wire import ModelRequest
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.paid_calls.pricing import load_prices
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.annotators.settings import AnnotatorSettings
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import ConfidenceKind, Label, MultiLabel, Outcome, Score
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.server.values.runs.annotator_options import OpenaiCompatibleOptions, PromptOptions
from nextlabel.server.wiring.annotators.llm_connections import check_llm
from tests.annotators.ledger import MemoryLedger
from tests.annotators.serving import serving
from tests.annotators.shop import collect, make_items, make_task

MakeAnnotator = Callable[..., LlmAnnotator]
Question = dict[str, Any]


class Server:
    """A decision server; `answers` gives a test's answer to a question, by default the first option with .7."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answers: Callable[[Question], dict[str, Any]] = first_option
        self.url = ""

    async def decide(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.requests.append(asked)
        assert request.headers["Authorization"] == "Bearer secret"
        answers = [{"name": question["name"], **self.answers(question)} for question in asked["questions"]]
        usage = {"input_tokens": 40, "output_tokens": 0, "total_tokens": 40}
        return web.json_response({"model": "decider", "answers": answers, "usage": usage})


def first_option(question: Question) -> dict[str, Any]:
    values = [choice["value"] for choice in question["choices"]]
    return choice_of(dict.fromkeys(values, 0.3 / (len(values) - 1)) | {values[0]: 0.7})


def given(answer: dict[str, Any], _: Question) -> dict[str, Any]:
    return answer


def choice_of(probabilities: dict[str, Any]) -> dict[str, Any]:
    listed = [{"value": value, "probability": p} for value, p in probabilities.items()]
    return {"type": "choice", "choice": next(iter(probabilities)), "confidence": 0.4, "probabilities": listed}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serving("decisions", server.decide) as server.url:
        yield server


@pytest.fixture
def decider(make_annotator: MakeAnnotator, server: Server) -> LlmAnnotator:
    return make_annotator(
        endpoint=DecisionEndpoint(OpenAiConnection(server.url, "secret")),
        settings=ModelSettings(model="gpt-6-luna"),
        price=load_prices().price_of("gpt-6-luna"),
        technique=Technique(verbalised=False),
    )


async def test_a_choice_comes_with_the_probability_of_every_class(
    decider: LlmAnnotator, server: Server, ledger: MemoryLedger
) -> None:
    server.answers = lambda _: choice_of({"shipping": 0.62, "billing": 0.35, "other": 0.02})
    (answer,) = (await collect(decider, make_task(), make_items(1))).values()
    assert (answer.outcome, answer.body) == (Outcome.LABEL, Label("shipping"))
    assert [candidate.label for candidate in answer.candidates] == ["shipping", "billing", "other"]
    assert sum(candidate.probability for candidate in answer.candidates) == pytest.approx(1)  # rounded by the server
    assert answer.confidence == pytest.approx(0.62 / 0.99)
    assert answer.confidence_kind is ConfidenceKind.UNCALIBRATED
    assert answer.provenance.answered_model == "decider"
    assert (ledger.spent.tokens, ledger.spent.micro_usd) == (40, 4)
    (request,) = server.requests
    assert set(request) == {"model", "input", "questions"}
    assert "mail number 0" in request["input"]
    (question,) = request["questions"]
    assert [choice["value"] for choice in question["choices"]] == ["billing", "shipping", "other"]
    assert "Sort mails to a shop" in question["instructions"]
    assert "mail number 0" not in question["instructions"]


async def test_what_was_paid_is_not_asked_again(decider: LlmAnnotator, server: Server) -> None:
    first = await collect(decider, make_task(), make_items(2))
    again = await collect(decider, make_task(), make_items(2))
    assert len(server.requests) == 2
    assert [one.candidates for one in again.values()] == [one.candidates for one in first.values()]


async def test_a_class_each_is_asked_where_several_may_apply(decider: LlmAnnotator, server: Server) -> None:
    said = {"labels.billing": 0.9, "labels.shipping": 0.49, "labels.other": 0.5}
    server.answers = lambda question: {"type": "predicate", "probability": said[question["name"]]}
    task = make_task(annotation_type=AnnotationType.MULTI_LABEL)
    (answer,) = (await collect(decider, task, make_items(1))).values()
    assert answer.body == MultiLabel(("billing", "other"))
    assert [question["type"] for question in server.requests[0]["questions"]] == ["predicate"] * 3
    server.answers = lambda _: {"type": "predicate", "probability": 0.1}
    (answer,) = (await collect(decider, task, make_items(1, "letter"))).values()
    assert answer.body == MultiLabel(())


async def test_a_score_is_the_level_nearest_to_the_mean_of_its_distribution(
    decider: LlmAnnotator, server: Server
) -> None:
    def score(question: Question) -> dict[str, Any]:
        labels = [level["label"] for level in question["levels"]]
        assert labels == ["1", "2", "3", "4", "5"]
        shares = [0.4, 0.0, 0.0, 0.3, 0.3]
        listed = [
            {"value": at, "label": label, "probability": p}
            for at, (label, p) in enumerate(zip(labels, shares, strict=True))
        ]
        return {"type": "score", "score": 2.1, "confidence": 0.3, "probabilities": listed}

    server.answers = score
    task = make_task(annotation_type=AnnotationType.SCORE, labels=(), score_range=ScoreRange(1, 5, 1))
    (answer,) = (await collect(decider, task, make_items(1))).values()
    assert answer.body == Score(3.0)


async def test_a_refusal_is_an_answer_and_a_label_that_is_none_is_invalid(
    decider: LlmAnnotator, server: Server
) -> None:
    server.answers = lambda _: {"type": "refusal"}
    (answer,) = (await collect(decider, make_task(), make_items(1))).values()
    assert (answer.outcome, answer.body) == (Outcome.REFUSED, None)
    for wrong in (choice_of({"weather": 1.0}), {"type": "choice", "choice": None}, {"type": "predicate"}, {}):
        server.answers = partial(given, wrong)
        (answer,) = (await collect(decider, make_task(), make_items(1, json.dumps(wrong)))).values()
        assert (answer.outcome, answer.body) == (Outcome.INVALID, None)


@pytest.mark.parametrize(
    "odd",
    [{"billing": 0.7, "shipping": 0.3}, {"billing": 2, "shipping": 0.1, "other": 0.1}, {"billing": True}, {}],
)
async def test_a_distribution_that_is_none_gives_a_label_without_confidence(
    decider: LlmAnnotator, server: Server, odd: dict[str, Any]
) -> None:
    listed = [{"value": value, "probability": p} for value, p in odd.items()]
    server.answers = partial(given, choice_of({"billing": 1.0}) | {"probabilities": listed})
    (answer,) = (await collect(decider, make_task(), make_items(1))).values()
    assert (answer.body, answer.confidence, answer.candidates) == (Label("billing"), None, ())


async def test_the_probe_passes_and_more_than_a_server_takes_is_not_sent(decider: LlmAnnotator, server: Server) -> None:
    await decider.check()
    sent = len(server.requests)
    many = make_task(labels=tuple(LabelClass(f"class {number}") for number in range(256)))
    (answer,) = (await collect(decider, many, make_items(1))).values()
    assert answer.outcome is Outcome.FAILED
    assert "256 classes; a decision endpoint takes 255" in answer.detail
    text = make_task(annotation_type=AnnotationType.TEXT, labels=())
    (answer,) = (await collect(decider, text, make_items(1))).values()
    assert "decisions are labels or scores" in answer.detail
    assert len(server.requests) == sent


def test_free_text_comes_to_no_question() -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    assert questions_of(ModelRequest("m", "", "", schema, 10)) == []


@pytest.mark.parametrize(
    ("option", "prompt"),
    [
        ("log_probabilities", {}),
        ("prompt.candidates", {"candidates": True}),
        ("prompt.rationale", {"rationale": True}),
        ("prompt.effort", {"effort": "low"}),
        ("prompt.items_per_request", {"items_per_request": 5}),
    ],
)
def test_what_says_nothing_to_decisions_is_refused(option: str, prompt: dict[str, Any]) -> None:
    options = OpenaiCompatibleOptions(
        "local/small",
        "http://127.0.0.1:9/v1",
        PromptOptions(**prompt),
        log_probabilities=option == "log_probabilities",
        decisions=True,
    )
    with pytest.raises(InvalidArgument) as error:
        check_llm(options, AnnotatorSettings())
    assert [violation.field for violation in error.value.violations] == [f"spec.annotator.openai_compatible.{option}"]

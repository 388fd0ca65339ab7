"""Every reply is a model's reply or a named failure, whatever a server sends."""

import copy
import functools
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.server.annotators.endpoints.anthropic_replies import read_anthropic_reply, retry_after_s
from nextlabel.server.annotators.endpoints.decisions import DecisionEndpoint
from nextlabel.server.annotators.endpoints.message_batch_replies import read_page, read_results, read_state
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.endpoints.wire import Failure, HttpReply, Reply
from nextlabel.server.annotators.llm.decoding import decode
from nextlabel.server.annotators.prompting.technique import Technique
from tests.annotators.shop import make_task

OPENAI = OpenAiEndpoint(OpenAiConnection("http://x/v1"))
COMPLETION: dict[str, Any] = {
    "id": "c1",
    "model": "small",
    "error": None,
    "choices": [
        {
            "message": {"content": '{"label": "billing"}', "refusal": None},
            "finish_reason": "stop",
            "logprobs": {
                "content": [
                    {"token": '{"label": "', "logprob": -0.1, "top_logprobs": [{"token": '"', "logprob": -0.1}]},
                    {"token": "billing", "logprob": -0.1, "top_logprobs": [{"token": "bill", "logprob": -0.2}]},
                ]
            },
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}},
}
DECISIONS = DecisionEndpoint(OpenAiConnection("http://x/v1"))
ANSWER: dict[str, Any] = {
    "name": "label",
    "choice": "billing",
    "probability": 0.6,
    "probabilities": [{"value": "billing", "label": "1", "probability": 0.6}],
}
DECISION: dict[str, Any] = {"model": "decider", "usage": {"input_tokens": 9, "output_tokens": 0}}
MESSAGE: dict[str, Any] = {
    "type": "message",
    "model": "claude",
    "content": [{"type": "text", "text": '{"label": "billing"}'}],
    "stop_reason": "end_turn",
    "stop_details": {"category": "none"},
    "usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": None},
}
BATCH: dict[str, Any] = {
    "id": "b",
    "processing_status": "ended",
    "results_url": "https://x",
    "request_counts": {"succeeded": 1},
    "created_at": "2026-01-01T00:00:00Z",
}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1e300, float("nan"), float("-inf"), -(10**400), "", "x" * 999, "\x00\ud800", [], {}, [None]]
)


def paths(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [at, *(path for key, value in inner for path in paths(value, (*at, key)))]


def spoiled(document: Any, data: st.DataObject) -> bytes:
    """A document with odd values in up to three places, or without what was there."""
    holder = {"": copy.deepcopy(document)}
    for path in data.draw(st.lists(st.sampled_from(paths(document)), min_size=1, max_size=3)):
        target: Any = holder
        try:
            for key in ("", *path)[:-1]:
                target = target[key]
            if data.draw(st.booleans()):
                target[("", *path)[-1]] = copy.deepcopy(data.draw(ODD))
            else:
                del target[("", *path)[-1]]
        except (KeyError, IndexError, TypeError):
            continue
    return json.dumps(holder.get("")).encode()


def judge(found: Reply | Failure) -> None:
    """A reply can be decoded and stored."""
    if isinstance(found, Failure):
        assert found.message
        return
    draft = decode(found, ("q1",), make_task(), Technique())["q1"]
    assert draft.outcome.reaches_learner or draft.detail
    assert found.usage.tokens >= 0
    for text in (found.model, found.request_id, found.detail, draft.detail):
        assert len(text) <= 300
        assert "\x00" not in text
        text.encode()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_completion_is_too_odd_to_be_an_outcome(data: st.DataObject) -> None:
    judge(OPENAI.read(HttpReply(200, {}, spoiled(COMPLETION, data))))


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(["choice", "predicate", "score", "refusal"]))
def test_no_decision_is_too_odd_to_be_an_outcome(data: st.DataObject, kind: str) -> None:
    judge(DECISIONS.read(HttpReply(200, {}, spoiled(DECISION | {"answers": [ANSWER | {"type": kind}]}, data))))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_message_is_too_odd_to_be_an_outcome(data: st.DataObject) -> None:
    judge(read_anthropic_reply(HttpReply(200, {"request-id": "r"}, spoiled(MESSAGE, data))))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_message_batch_is_too_odd_to_be_read(data: st.DataObject) -> None:
    read_state(HttpReply(200, {}, spoiled(BATCH, data)))
    read_page(HttpReply(200, {}, spoiled({"data": [BATCH], "has_more": True, "last_id": "b"}, data)))
    result = {"custom_id": "a", "result": {"type": "errored", "error": {"type": "error", "error": {"type": "x"}}}}
    read_results(HttpReply(200, {}, spoiled(result, data)))


ODD_BY_ITSELF = [float("inf"), float("-inf"), float("nan"), -(10**400), 10**400, -1, 0.5, "\ud800", {}, [None]]


@pytest.mark.parametrize("odd", ODD_BY_ITSELF, ids=lambda odd: str(odd)[:5].encode("ascii", "replace").decode())
def test_each_place_of_each_reply_may_hold_each_odd_value(odd: Any) -> None:
    """A sweep: hypothesis finds what several odd values do together, but hardly all of what one does."""
    result = {"custom_id": "a", "result": {"type": "errored", "error": {"type": "error", "error": {"type": "x"}}}}
    reads: list[tuple[dict[str, Any], Any]] = [
        (COMPLETION, lambda reply: judge(OPENAI.read(reply))),
        (MESSAGE, lambda reply: judge(read_anthropic_reply(reply))),
        (BATCH, read_state),
        ({"data": [BATCH], "has_more": True, "last_id": "b"}, read_page),
        (result, read_results),
        *(
            (DECISION | {"answers": [ANSWER | {"type": kind}]}, lambda reply: judge(DECISIONS.read(reply)))
            for kind in ("choice", "predicate", "score", "refusal")
        ),
    ]
    for document, read in reads:
        for path in paths(document)[1:]:
            spoilt = copy.deepcopy(document)
            *outer, last = path
            functools.reduce(lambda inner, key: inner[key], outer, spoilt)[last] = odd
            read(HttpReply(200, {}, json.dumps(spoilt).encode()))


@pytest.mark.parametrize("name", ["", "..", "../../x", "a\nb", "a b", "a&b=c", "x" * 201, "\ud800", 7])
def test_an_id_of_a_message_batch_that_is_no_part_of_an_address_is_none(name: Any) -> None:
    body = json.dumps(BATCH | {"id": name}).encode()
    page = json.dumps({"data": [BATCH], "has_more": True, "last_id": name}).encode()
    assert isinstance(read_state(HttpReply(200, {}, body)), Failure)
    found = read_page(HttpReply(200, {}, page))
    assert not isinstance(found, Failure)
    assert found[1] == ""


@pytest.mark.parametrize("now", ["", "Wed, 21 Oct 2015 07:28:00 GMT", f"Wed, 21 Oct {'9' * 20} 07:28:00 GMT"])
@pytest.mark.parametrize(
    "asked",
    [
        "soon",
        "1e400",
        "nan",
        f"Wed, 21 Oct {'9' * 20} 07:28:00 GMT",
        f"Wed, 21 Oct 2015 07:28:00 +{'9' * 20}",
        "Fri, 31 Dec 9999 23:59:59 -9999",
    ],
)
def test_a_wait_that_no_clock_knows_is_none(asked: str, now: str) -> None:
    wait = retry_after_s({"retry-after": asked, "date": now})
    assert wait is None or math.isfinite(wait)
    assert retry_after_s({"retry-after-ms": asked, "retry-after": asked, "date": now}) == wait


@pytest.mark.parametrize("change", [{"message": None}, {"message": "hi"}, {"logprobs": {"content": [None]}}])
def test_a_completion_that_was_paid_for_stays_booked(change: dict[str, Any]) -> None:
    body = {**COMPLETION, "choices": [{**COMPLETION["choices"][0], **change}]}
    found = OPENAI.read(HttpReply(200, {}, json.dumps(body).encode()))
    assert isinstance(found, Reply)
    assert found.usage.tokens == 11


READ: dict[str, tuple[dict[str, Any], Callable[[HttpReply], Reply | Failure]]] = {
    "completion": (COMPLETION, OPENAI.read),
    "message": (MESSAGE, read_anthropic_reply),
    "decision": (DECISION | {"answers": [ANSWER]}, DECISIONS.read),
}


@pytest.mark.parametrize("dialect", READ)
def test_an_answer_is_taken_also_where_nobody_tells_all_that_it_has_used(dialect: str) -> None:
    document, read = READ[dialect]
    asked, written, *_ = document["usage"]
    untold: list[Any] = [
        None,
        "some",
        [],
        {},
        {asked: 9},
        {written: 2},
        {asked: 9, written: None},
        {asked: -1, written: 2},
    ]
    for usage in [document["usage"], *untold]:
        found = read(HttpReply(200, {}, json.dumps({**document, "usage": usage}).encode()))
        assert isinstance(found, Reply), usage
        assert found.usage_told == (usage == document["usage"]), usage
        assert found.text == read(HttpReply(200, {}, json.dumps(document).encode())).text  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [None, "hi", {}])
def test_a_message_that_was_paid_for_stays_booked(content: Any) -> None:
    found = read_anthropic_reply(HttpReply(200, {}, json.dumps({**MESSAGE, "content": content}).encode()))
    assert isinstance(found, Reply)
    assert found.usage.tokens == 7


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}),
        (402, {"type": "billing_error", "message": "Pay your bill."}),
        (429, {"code": "insufficient_quota", "message": "You exceeded your current quota."}),
    ],
)
def test_an_account_without_money_stops_the_annotator_in_the_servers_words(status: int, error: Any) -> None:
    for read in (read_anthropic_reply, OPENAI.read):
        found = read(HttpReply(status, {}, json.dumps({"error": error}).encode()))
        assert isinstance(found, Failure)
        assert found.kind.stop_reason == "ANNOTATOR_SPEND_LIMIT"
        assert error["message"] in str(found)

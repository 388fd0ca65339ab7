import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.store import codec
from nextlabel.server.values.errors import DataLoss
from nextlabel.server.values.labeling.answers import (
    Answer,
    Body,
    Candidate,
    ConfidenceKind,
    Label,
    MultiLabel,
    Outcome,
    Preference,
    PreferredAlternative,
    Provenance,
    Score,
    Text,
)
from nextlabel.server.values.money.costs import Cost, Usage
from nextlabel.server.values.money.paid_calls import MessageBatchIntent
from nextlabel.server.values.runs.runs import RunSpec
from tests.store import values as v
from tests.store.test_models_and_runs import run

texts = st.text(st.characters(codec="utf-8"), max_size=20)
counts = st.integers(0, 2**62)
costs = st.builds(Cost, counts, counts, counts)
bodies = st.one_of(
    st.builds(Label, texts),
    st.builds(MultiLabel, st.lists(texts, max_size=3).map(tuple)),
    st.builds(Score, st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(Preference, st.sampled_from(PreferredAlternative)),
    st.builds(Text, texts),
)
provenances = st.builds(
    Provenance,
    texts,
    prompt_hash=texts,
    usage=st.builds(Usage, counts, counts),
    cost=costs,
    latency_ms=st.floats(0, 1e6),
)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    outcome = draw(st.sampled_from(Outcome))
    kind = draw(st.sampled_from(ConfidenceKind))
    return Answer(
        outcome,
        draw(provenances),
        body=draw(bodies) if outcome.reaches_learner else None,
        candidates=tuple(draw(st.lists(st.builds(Candidate, texts, st.floats(0, 1)), max_size=3))),
        confidence=None if kind is ConfidenceKind.NONE else draw(st.floats(0, 1)),
        confidence_kind=kind,
        signals=draw(st.dictionaries(texts, st.floats(0, 1), max_size=3)),
        detail=draw(texts),
    )


@given(answers())
def test_an_answer_comes_back_equal_and_has_one_form(answer: Answer) -> None:
    text = codec.dumps(Answer, answer)
    assert codec.loads(Answer, text) == answer
    assert codec.dumps(Answer, codec.loads(Answer, text)) == text


def test_a_batch_intent_comes_back_with_its_nested_values() -> None:
    intent = MessageBatchIntent("i", 1.5, {"c": {"k": "1"}}, {"c": Cost(1, 2, 3)}, "line", "m")
    assert codec.loads(MessageBatchIntent, codec.dumps(MessageBatchIntent, intent)) == intent


@pytest.mark.parametrize(
    "damaged",
    [
        "{",
        "[]",
        '{"outcome":"maybe"}',
        '{"outcome":"refused"}',
        '{"outcome":"refused","provenance":{"annotator":"a"},"colour":1}',
        '{"outcome":"refused","provenance":{"annotator":7}}',
        '{"body":{"label":{"name":"a"},"text":{"text":"b"}},"outcome":"label","provenance":{"annotator":"a"}}',
        '{"body":{"picture":{}},"outcome":"label","provenance":{"annotator":"a"}}',
        '{"confidence":true,"confidence_kind":"human","outcome":"refused","provenance":{"annotator":"a"}}',
    ],
)
def test_anything_else_is_reported_as_damaged(damaged: str) -> None:
    with pytest.raises(DataLoss, match="Answer cannot be read"):
        codec.loads(Answer, damaged)


def test_numbers_that_json_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        codec.dumps(Body, Score(float("nan")))


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_keep_their_microseconds(at: datetime) -> None:
    assert codec.from_micros(codec.to_micros(at)) == at


def test_a_time_is_the_same_in_every_zone() -> None:
    elsewhere = v.NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert codec.to_micros(elsewhere) == codec.to_micros(v.NOW)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        codec.to_micros(datetime(2026, 1, 1))  # noqa: DTZ001


@given(st.integers(0, 2**64 - 1))
def test_unsigned_integers_fit_signed_ones(number: int) -> None:
    assert -(2**63) <= codec.to_signed(number) < 2**63
    assert codec.to_unsigned(codec.to_signed(number)) == number


@pytest.mark.parametrize("number", [-1, 2**64])
def test_integers_beyond_64_bits_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="unsigned 64-bit"):
        codec.to_signed(number)


def test_settings_are_canonical_json() -> None:
    spec = run("r").spec
    text = codec.dumps(RunSpec, spec)
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert codec.loads(RunSpec, text) == spec

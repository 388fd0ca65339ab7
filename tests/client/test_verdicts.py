"""Whose label an item has: every way in which annotators and the learner can stand to each other."""

import pytest

from nextlabel.client.verdicts import Standing, verdict, written
from nextlabel.v1 import annotation_pb2 as pb
from nextlabel.v1.learner_service_pb2 import PREDICTION_SOURCE_ADVICE, PREDICTION_SOURCE_BOTH, Prediction


def said(name: str, label: str = "", confidence: float | None = None) -> pb.Annotation:
    found = pb.Annotation(item_id="i", provenance=pb.Provenance(annotator=name), outcome=pb.OUTCOME_REFUSED)
    if label:
        found.answer.single_label.label = label
        found.outcome = pb.OUTCOME_LABEL
    if confidence is not None:
        found.confidence, found.confidence_kind = confidence, pb.CONFIDENCE_KIND_UNCALIBRATED
    return found


def agreed(label: str, share: float = 1.0, count: int = 1, *, trusted: bool = False, sure: float | None = None):
    answer = pb.Answer(single_label=pb.SingleLabel(label=label))
    found = pb.Consensus(item_id="i", answer=answer, probability=share, annotation_count=count, trusted=trusted)
    if sure is not None:
        found.confidence = sure
    return found


LEARNER = Prediction(label="b", probability=0.6)
ADVISED = [
    Prediction(label="b", probability=0.9, source=source)
    for source in (PREDICTION_SOURCE_ADVICE, PREDICTION_SOURCE_BOTH)
]


@pytest.mark.parametrize(
    ("consensus", "annotations", "learner", "expected"),
    [
        (agreed("a", trusted=True), [said("ann", "a")], LEARNER, ("a", None, "", "ann", "")),
        (agreed("a"), [said("m", "a", 0.9)], None, ("a", 0.9, "uncalibrated", "m", "")),
        (agreed("a", sure=0.8), [said("m", "a", 0.9)], None, ("a", 0.8, "calibrated", "m", "")),
        (agreed("a", sure=0.5), [said("m", "a")], None, ("a", 0.5, "calibrated", "m", "the annotator is 50% sure")),
        (agreed("a"), [said("m", "a")], LEARNER, ("a", None, "", "m", "the learner says 'b'")),
        (
            agreed("a", 0.667, 3),
            [said("m", "a"), said("n", "a"), said("o", "b")],
            None,
            ("a", None, "", "m, n", "annotators disagree: 67% of the votes"),
        ),
        (agreed("a"), [said("m", "b"), said("m", "a"), said("n", "b")], None, ("a", None, "", "m", "")),
        (None, [], LEARNER, ("b", 0.6, "learner", "learner", "the learner is 60% sure")),
        (None, [said("m")], LEARNER, ("b", 0.6, "learner", "learner", "m: refused")),
        (None, [], ADVISED[0], ("b", 0.9, "learner", "advice", "")),
        (None, [], ADVISED[1], ("b", 0.9, "learner", "learner and advice", "")),
        (None, [said("m")], None, (None, None, "", "nobody", "m: refused")),
        (None, [], None, (None, None, "", "nobody", "no label")),
    ],
)
def test_the_verdict(consensus, annotations, learner, expected):
    found = verdict(consensus, Standing(annotations).of("i"), learner, 0.7)
    assert (found.label, found.confidence, found.confidence_kind, found.source, found.review) == expected


def test_an_answer_stands_when_nothing_comes_after_it():
    standing = Standing([said("m", "a"), said("m")])
    assert [one.answer for one in standing.of("i")] == ["a"]


def several(*labels: str) -> pb.Answer:
    return pb.Answer(multi_label=pb.MultiLabel(labels=labels))


def score(value: float) -> pb.Answer:
    return pb.Answer(score=pb.Score(value=value))


def learned(answer: pb.Answer, sure: float | None, *interval: float) -> Prediction:
    found = Prediction(label="a", probability=0.99, answer=answer)
    if sure is not None:
        found.answer_probability = sure
    if interval:
        found.label, found.probability = "", 0.0
        found.interval.low, found.interval.high = interval
    return found


@pytest.mark.parametrize(
    ("answer", "learner", "expected"),
    [
        (None, learned(several("a", "b"), 0.6), (["a", "b"], 0.6, None, None, "the learner is 60% sure")),
        (None, learned(several(), 0.9), ([], 0.9, None, None, "")),
        (several("b", "a"), learned(several("a", "b"), 0.6), (["b", "a"], None, None, None, "")),
        (several("a"), learned(several("b", "c"), 0.6), (["a"], None, None, None, "the learner says b|c")),
        (several("a"), learned(several(), 0.6), (["a"], None, None, None, "the learner says none of the classes")),
        (None, learned(score(3.2), 0.9, 2.0, 4.5), (3.2, 0.9, 2.0, 4.5, "")),
        (
            None,
            learned(score(3.2), None, 1.0, 5.0),
            (3.2, None, 1.0, 5.0, "too few labels to tell how sure the learner is"),
        ),
        (score(4.0), learned(score(3.2), 0.2, 2.0, 4.5), (4.0, None, None, None, "")),
        (
            score(5.0),
            learned(score(3.2), 0.9, 2.0, 4.5),
            (5.0, None, None, None, "the learner says 3.2, from 2 to 4.5"),
        ),
    ],
)
def test_the_verdict_of_several_classes_and_scores(answer, learner, expected):
    consensus = None if answer is None else pb.Consensus(item_id="i", answer=answer, probability=1, annotation_count=1)
    found = verdict(consensus, [], learner, 0.7)
    assert (found.label, found.confidence, found.low, found.high, found.review) == expected


def text(name: str, said: str = "", *, trusted: bool = False) -> pb.Annotation:
    found = pb.Annotation(item_id="i", provenance=pb.Provenance(annotator=name), trusted=trusted)
    if said:
        found.answer.text.text = said
    return found


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ([text("m", "Soon.")], ("Soon.", "m", "", 1)),
        ([text("m", "Soon."), text("ann", "Today.", trusted=True)], ("Today.", "ann", "", 1)),
        ([text("m", "Soon."), text("m#2", "Soon.")], ("Soon.", "m, m#2", "", 2)),
        ([text("m", "Soon."), text("m#2", "Later.")], (None, "nobody", "2 texts to choose from", 0)),
        ([], (None, "nobody", "no label", 0)),
    ],
)
def test_the_label_of_an_item_that_texts_were_written_of_is_the_only_one_that_counts(annotations, expected):
    found, count = written(Standing(annotations).of("i"))
    assert (found.label, found.source, found.review, len(count)) == expected

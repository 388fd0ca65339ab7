"""Answers of every annotation type in messages."""

import pytest

from nextlabel.server.api.messages.labeling.answers import ANNOTATION_TYPES, answer_message, body_of
from nextlabel.server.tasks.registry import task_type, type_of
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.v1 import annotation_pb2 as pb
from tests.tasks.bodies import BODIES


@pytest.mark.parametrize("kind", AnnotationType)
def test_an_answer_of_every_type_comes_back_out_of_its_message(kind: AnnotationType) -> None:
    for body in BODIES[kind]:
        message = answer_message(body)
        assert message is not None
        assert body_of(message, "answer") == body
        assert type_of(body) is task_type(kind)


def test_every_case_of_the_message_can_be_read_and_every_type_be_asked_for() -> None:
    read = set()
    for field in pb.Answer.DESCRIPTOR.oneofs_by_name["body"].fields:
        answer = pb.Answer(preference=pb.PairwisePreference(winner=pb.PREFERENCE_WINNER_A))
        getattr(answer, field.name).SetInParent()
        read.add(type(body_of(answer, "answer")))
    assert read == {task_type(kind).body for kind in AnnotationType}
    assert set(ANNOTATION_TYPES) == set(AnnotationType)


@pytest.mark.parametrize(
    ("answer", "field"),
    [(pb.Answer(), "answers[3]"), (pb.Answer(preference=pb.PairwisePreference()), r"answers[3].preference.winner")],
)
def test_an_answer_that_says_nothing_names_its_field(answer: pb.Answer, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        body_of(answer, "answers[3]")
    assert [violation.field for violation in refused.value.violations] == [field]

"""Between messages and answers: one form for each annotation type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import (
    Body,
    Label,
    MultiLabel,
    Preference,
    PreferredAlternative,
    Score,
    Text,
)
from nextlabel.server.values.projects.class_names import composed
from nextlabel.v1 import annotation_pb2 as pb

B = TypeVar("B", Label, MultiLabel, Score, Preference, Text)

ANNOTATION_TYPES = {
    AnnotationType.SINGLE_LABEL: pb.ANNOTATION_TYPE_SINGLE_LABEL,
    AnnotationType.MULTI_LABEL: pb.ANNOTATION_TYPE_MULTI_LABEL,
    AnnotationType.SCORE: pb.ANNOTATION_TYPE_SCORE,
    AnnotationType.PREFERENCE: pb.ANNOTATION_TYPE_PAIRWISE_PREFERENCE,
    AnnotationType.TEXT: pb.ANNOTATION_TYPE_TEXT,
}
_WINNERS = {
    PreferredAlternative.A: pb.PREFERENCE_WINNER_A,
    PreferredAlternative.B: pb.PREFERENCE_WINNER_B,
    PreferredAlternative.TIE: pb.PREFERENCE_WINNER_TIE,
}


@dataclass(frozen=True, slots=True)
class _Form(Generic[B]):
    """How an answer of one kind is written into a message, and read out of one that was sent as ``field``."""

    body: type[B]
    write: Callable[[B], pb.Answer]
    read: Callable[[pb.Answer, str], B]


def _preference(answer: pb.Answer, field: str) -> Preference:
    for choice, winner in _WINNERS.items():
        if winner == answer.preference.winner:
            return Preference(choice)
    raise InvalidArgument.field(f"{field}.preference.winner", "must be A, B or TIE")


_FORMS: Mapping[str, _Form[Any]] = {
    "single_label": _Form(
        Label,
        write=lambda body: label_answer(body.name),
        read=lambda answer, _: Label(composed(answer.single_label.label)),
    ),
    "multi_label": _Form(
        MultiLabel,
        write=lambda body: pb.Answer(multi_label=pb.MultiLabel(labels=body.names)),
        read=lambda answer, _: MultiLabel(tuple(map(composed, answer.multi_label.labels))),
    ),
    "score": _Form(
        Score,
        write=lambda body: pb.Answer(score=pb.Score(value=body.value)),
        read=lambda answer, _: Score(answer.score.value),
    ),
    "preference": _Form(
        Preference,
        write=lambda body: pb.Answer(preference=pb.PairwisePreference(winner=_WINNERS[body.choice])),
        read=_preference,
    ),
    "text": _Form(
        Text,
        write=lambda body: pb.Answer(text=pb.TextResponse(text=body.text)),
        read=lambda answer, _: Text(answer.text.text),
    ),
}
"""By the case of the message that holds the answer."""
_BY_BODY: Mapping[type[Body], _Form[Any]] = {form.body: form for form in _FORMS.values()}


def body_of(answer: pb.Answer, field: str) -> Body:
    """Return the answer in a message, or raise InvalidArgument for an empty one."""
    kind = answer.WhichOneof("body")
    if kind is None:
        raise InvalidArgument.field(field, "holds no answer; set one of its kinds")
    body: Body = _FORMS[kind].read(answer, field)
    return body


def written_answer(text: str, annotation_type: AnnotationType) -> pb.Answer | None:
    """Return the message of a reference answer as it is kept."""
    return answer_message(task_type(annotation_type).parsed(text))


def answer_message(body: Body | None) -> pb.Answer | None:
    """Return the message of an answer; None, which leaves a field unset, for None."""
    return None if body is None else _BY_BODY[type(body)].write(body)


def label_answer(label: str) -> pb.Answer:
    """Return the message of a single label."""
    return pb.Answer(single_label=pb.SingleLabel(label=label))

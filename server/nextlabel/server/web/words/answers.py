"""Answers between the pages, which speak JSON, and the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.v1 import annotation_pb2 as pb

_KINDS = {
    pb.ANNOTATION_TYPE_SINGLE_LABEL: "label",
    pb.ANNOTATION_TYPE_MULTI_LABEL: "labels",
    pb.ANNOTATION_TYPE_SCORE: "score",
    pb.ANNOTATION_TYPE_PAIRWISE_PREFERENCE: "preferred",
    pb.ANNOTATION_TYPE_TEXT: "text",
}
_WINNERS = {
    "a": pb.PREFERENCE_WINNER_A,
    "b": pb.PREFERENCE_WINNER_B,
    "tie": pb.PREFERENCE_WINNER_TIE,
}


def answer_kind(annotation_type: pb.AnnotationType.ValueType) -> str:
    """Return the key under which answers of a type stand in JSON."""
    return _KINDS.get(annotation_type, "label")


def answer_message(answer: Mapping[str, Any], path: str) -> pb.Answer:
    """Return the answer of the API.

    Raises:
        InvalidArgument: there is not exactly one known key, or its value is of another type.
    """
    if len(answer) != 1 or next(iter(answer)) not in _KINDS.values():
        raise InvalidArgument.field(path, f"expected one of the keys {', '.join(_KINDS.values())}")
    match next(iter(answer.items())):
        case ("label", str(label)):
            return pb.Answer(single_label=pb.SingleLabel(label=label))
        case ("labels", list(labels)) if all(isinstance(label, str) for label in labels):
            return pb.Answer(multi_label=pb.MultiLabel(labels=labels))
        case ("score", int() | float() as value) if not isinstance(value, bool):
            return pb.Answer(score=pb.Score(value=value))
        case ("preferred", str(winner)) if winner in _WINNERS:
            return pb.Answer(preference=pb.PairwisePreference(winner=_WINNERS[winner]))
        case ("text", str(text)):
            return pb.Answer(text=pb.TextResponse(text=text))
        case (key, _):
            raise InvalidArgument.field(f"{path}.{key}", "is of a type that this answer does not have")
    raise AssertionError(answer)


def answer_value(answer: pb.Answer) -> Mapping[str, Any]:
    """Return the answer as JSON; empty for one that is not set."""
    match answer.WhichOneof("body"):
        case "single_label":
            return {"label": answer.single_label.label}
        case "multi_label":
            return {"labels": list(answer.multi_label.labels)}
        case "score":
            return {"score": answer.score.value}
        case "preference":
            names = {number: name for name, number in _WINNERS.items()}
            return {"preferred": names.get(answer.preference.winner, "")}
        case "text":
            return {"text": answer.text.text}
    return {}


def answer_text(answer: pb.Answer) -> str:
    """Return the answer in words, for tables."""
    values: Sequence[Any] = list(answer_value(answer).values())
    if not values:
        return ""
    return ", ".join(values[0]) if isinstance(values[0], list) else str(values[0])

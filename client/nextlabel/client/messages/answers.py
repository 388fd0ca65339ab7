"""Answers from plain values: what a label means depends on what the project asks for."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nextlabel.client.messages.enums import enum_name, enum_value
from nextlabel.client.messages.names import class_name
from nextlabel.v1.annotation_pb2 import (
    ANNOTATION_TYPE_MULTI_LABEL,
    ANNOTATION_TYPE_PAIRWISE_PREFERENCE,
    ANNOTATION_TYPE_SCORE,
    ANNOTATION_TYPE_SINGLE_LABEL,
    ANNOTATION_TYPE_TEXT,
    Answer,
    MultiLabel,
    PairwisePreference,
    PreferenceWinner,
    Score,
    SingleLabel,
    TextResponse,
)

Named = Callable[[str], str]
"""How the name of a class that was typed is read."""

LABEL_SEPARATOR = "|"
"""Between the labels of a MULTI_LABEL answer that is written as one text."""

_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def encode_answer(value: Any, annotation_type: int, named: Named = class_name) -> Answer:
    """The answer that `value` stands for in a project of this annotation type.

    A class name for SINGLE_LABEL; a list of them, or one text with `|` between, for MULTI_LABEL; a number for
    SCORE; `a`, `b` or `tie` for PAIRWISE_PREFERENCE; a text for TEXT. An Answer is taken as it is. `named` reads the
    names of classes.

    Raises ValueError when the value does not fit the type.
    """
    if isinstance(value, Answer):
        return value
    encode = _ENCODERS.get(annotation_type)
    if encode is None:
        raise ValueError(f"label: annotation type {annotation_type} is newer than this client; update it")
    return encode(value, named)


def plain_answer(answer: Answer) -> Any:
    """The value that `encode_answer` would read back: a text, a list of texts or a number; None when unset."""
    match answer.WhichOneof("body"):
        case "single_label":
            return answer.single_label.label
        case "multi_label":
            return list(answer.multi_label.labels)
        case "score":
            return answer.score.value
        case "preference":
            return enum_name(answer.preference, "winner")
        case "text":
            return answer.text.text
        case _:
            return None


def score_of(value: Any) -> float:
    """The number that a cell holds, also with a decimal comma.

    >>> score_of("4.5"), score_of(" 4,5 "), score_of(3), score_of("0,125")
    (4.5, 4.5, 3.0, 0.125)

    Raises ValueError for what is no number, and for a comma that may divide thousands, as in `1,250`.
    """
    if isinstance(value, str) and _THOUSANDS.fullmatch(value.strip()):
        point, whole = value.strip().replace(",", "."), value.strip().replace(",", "")
        raise ValueError(f"expected a number, got {value!r}, which may be {point} or {whole}; write one of these")
    try:
        return float(value.replace(",", ".") if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value) else value)
    except (TypeError, ValueError):
        raise ValueError(f"expected a number, got {value!r}") from None


def _single_label(value: Any, named: Named) -> Answer:
    # An integer label is a class named by digits; a float would be one only by accident of a table's missing values.
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"label: expected the name of a class, got {value!r}")
    return Answer(single_label=SingleLabel(label=named(str(value))))


def _multi_label(value: Any, named: Named) -> Answer:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(LABEL_SEPARATOR) if part.strip()]
    labels = list(value) if isinstance(value, Iterable) else [value]
    if not all(isinstance(label, str) for label in labels):
        raise ValueError(f"label: expected names of classes, got {value!r}")
    return Answer(multi_label=MultiLabel(labels=map(named, labels)))


def _score(value: Any, _: Named) -> Answer:
    try:
        return Answer(score=Score(value=score_of(value)))
    except ValueError as error:
        raise ValueError(f"label: {error}") from None


def _preference(value: Any, _: Named) -> Answer:
    winner = enum_value(PreferenceWinner, str(value), "label")
    return Answer(preference=PairwisePreference(winner=winner))


def _text(value: Any, _: Named) -> Answer:
    if not isinstance(value, str):
        raise ValueError(f"label: expected a text, got {value!r}")
    return Answer(text=TextResponse(text=value))


_ENCODERS: Mapping[int, Callable[[Any, Named], Answer]] = {
    ANNOTATION_TYPE_SINGLE_LABEL: _single_label,
    ANNOTATION_TYPE_MULTI_LABEL: _multi_label,
    ANNOTATION_TYPE_SCORE: _score,
    ANNOTATION_TYPE_PAIRWISE_PREFERENCE: _preference,
    ANNOTATION_TYPE_TEXT: _text,
}

"""JSON schemas that close the form of a model's answer: only the label space fits."""

from collections.abc import Mapping, Sequence
from typing import Any

from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.values.answers import AnnotationType
from nextlabel.server.values.tasks import Task

JsonSchema = Mapping[str, Any]


def answer_schema(task: Task, technique: Technique, ids: Sequence[str]) -> JsonSchema:
    """The schema of a reply about the items called `ids`; one item answers directly, several in `answers`."""
    properties = _properties(task, technique)
    if len(ids) == 1:
        return closed_object(properties)
    item = closed_object({"id": {"type": "string", "enum": list(ids)}, **properties})
    return closed_object({"answers": {"type": "array", "items": item}})


def closed_object(properties: Mapping[str, Any]) -> JsonSchema:
    """An object with exactly these properties, all required, in this order."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _properties(task: Task, technique: Technique) -> dict[str, Any]:
    properties = _judgement(task, technique)
    if technique.verbalised and "candidates" not in properties and task.annotation_type is not AnnotationType.TEXT:
        properties["confidence"] = {"type": "number"}
    if technique.justification:
        properties["justification"] = {"type": "string"}
    return properties


def _judgement(task: Task, technique: Technique) -> dict[str, Any]:
    label = {"type": "string", "enum": list(task.label_names)}
    match task.annotation_type:
        case AnnotationType.SINGLE_LABEL if technique.candidates:
            candidate = closed_object({"label": label, "p": {"type": "number"}})
            return {"candidates": {"type": "array", "items": candidate}}
        case AnnotationType.SINGLE_LABEL:
            return {"label": label}
        case AnnotationType.MULTI_LABEL:
            return {"labels": {"type": "array", "items": label}}
        case AnnotationType.SCORE:
            return {"score": {"type": "number"}}
        case AnnotationType.PREFERENCE:
            return {"better": {"type": "string", "enum": ["first", "second", "tie"]}}
        case AnnotationType.TEXT:
            return {"text": {"type": "string"}}

"""Labels for other labeling tools: tasks of Label Studio and records of Argilla."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import quoteattr

from nextlabel.client.labeled_items import LabeledItem
from nextlabel.client.readers.errors import FileError
from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1.project_service_pb2 import Project

Record = dict[str, Any]

TEXT = "text"
LABEL = "label"
"""What the text and the question are called in both tools."""


def label_studio_task(item: LabeledItem, project: Project) -> Record:
    """A task as Label Studio imports it: what people said is an annotation, anything else a prediction."""
    task: Record = {"data": {**item.metadata, TEXT: item.text, "id": item.id, **_filtered_by(item)}}
    if item.label is None:
        return task | {"annotations": []}
    kind, value = _value(item.label, project)
    said = {"result": [{"from_name": LABEL, "to_name": TEXT, "type": kind, "value": value}]}
    if item.trusted:
        return task | {"annotations": [said]}
    score = {} if item.confidence is None else {"score": item.confidence}
    return task | {"predictions": [{"model_version": item.source, **score, **said}]}


def argilla_record(item: LabeledItem, _: Project) -> Record:
    """A record as `Dataset.records.from_json` of Argilla reads it.

    Labels are suggestions with their agent: responses need users that Argilla knows.
    """
    record: Record = {
        "id": item.id,
        "fields": {TEXT: item.text},
        "metadata": {key: value for key, value in item.metadata.items() if isinstance(value, str | int | float)}
        | _filtered_by(item),
        "suggestions": {},
        "responses": {},
    }
    if item.label is not None:
        score = {"score": item.confidence} if isinstance(item.label, str) and item.confidence is not None else {}
        record["suggestions"][LABEL] = {"value": item.label, "agent": item.source, **score}
    return record


def _filtered_by(item: LabeledItem) -> Record:
    return {} if item.filtered_by is None else {"filtered_by": item.filtered_by}


TOOLS: Mapping[str, Callable[[LabeledItem, Project], Record]] = {
    "label-studio": label_studio_task,
    "argilla": argilla_record,
}


def check_tool(tool: str, path: Path | None, project: Project) -> None:
    """Check that a project can go to a tool, as a file of this name.

    Raises FileError for another ending than .json, ValueError for preferences.
    """
    if path is not None and path.suffix.lower() != ".json":
        raise FileError(f"{path}: {tool} reads JSON; let the name end in .json")
    if project.annotation_type not in _CONTROLS:
        raise ValueError(f"{tool}: preferences between two texts have no form there; export --form dpo has one")


def write_array(records: Iterable[Record], file: TextIO) -> int:
    """Write an array of JSON objects, one a line. Returns how many there were."""
    count = 0
    for record in records:
        file.write("[\n" if count == 0 else ",\n")
        file.write(json.dumps(record, ensure_ascii=False))
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count


def label_studio_interface(project: Project) -> str:
    """The labeling interface that the tasks of a project fit."""
    control = _CONTROLS[project.annotation_type]
    choices = "".join(f"<Choice value={quoteattr(one.name)}/>" for one in project.label_space.classes)
    tag = control.partition(" ")[0]
    return (
        f'<View><Text name="{TEXT}" value="${TEXT}"/><{control} name="{LABEL}" toName="{TEXT}">{choices}</{tag}></View>'
    )


_CONTROLS: Mapping[int, str] = {
    annotation.ANNOTATION_TYPE_SINGLE_LABEL: "Choices",
    annotation.ANNOTATION_TYPE_MULTI_LABEL: 'Choices choice="multiple"',
    annotation.ANNOTATION_TYPE_SCORE: "Number",
    annotation.ANNOTATION_TYPE_TEXT: "TextArea",
}


def _value(label: Any, project: Project) -> tuple[str, Record]:
    match project.annotation_type:
        case annotation.ANNOTATION_TYPE_SCORE:
            return "number", {"number": label}
        case annotation.ANNOTATION_TYPE_TEXT:
            return "textarea", {"text": [label]}
    return "choices", {"choices": label if isinstance(label, list) else [label]}

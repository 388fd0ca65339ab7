"""Exports of other labeling tools, recognised by their shape: Label Studio, Argilla, Prodigy and doccano.

A record becomes a row for each answer of a person in it, with the annotator where the tool says who that was. What
models suggested is left out: it is no known label.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]

LABEL = "label"
ANNOTATOR = "annotator"
"""Columns of a row that hold the answer and the name of who gave it, "" where that is not known."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its name, how its records are told from others, and the rows that one of them is."""

    name: str
    recognises: Callable[[Record], bool]
    _rows: Callable[[Record], Iterator[dict[str, Any]]]

    def rows(self, record: Record) -> list[dict[str, Any]]:
        """The rows of a record, one without a label where nobody answered.

        >>> task = {"data": {"text": "a"}, "annotations": [{"result": [{"value": {"choices": ["x"]}}]}]}
        >>> TOOLS[0].rows(task)
        [{'text': 'a', 'label': 'x', 'annotator': ''}]
        """
        return list(self._rows(record))


def tool_of(record: Record) -> Tool | None:
    """The tool whose export a record is of; None when it is nobody's."""
    return next((tool for tool in TOOLS if tool.recognises(record)), None)


def _is_label_studio(record: Record) -> bool:
    answered = any(isinstance(record.get(key), list) for key in ("annotations", "completions", "predictions"))
    return isinstance(record.get("data"), dict) and answered


def _label_studio_rows(record: Record) -> Iterator[dict[str, Any]]:
    item = dict(record["data"])
    if "id" not in item and "id" in record:
        item["id"] = record["id"]
    answers = record.get("annotations") or record.get("completions") or []
    given = [answer for answer in _dicts(answers) if not answer.get("was_cancelled")]
    yield from _answered(item, [(_label_studio_label(one), _label_studio_annotator(one)) for one in given])


def _label_studio_label(answer: Record) -> Any:
    for result in _dicts(answer.get("result")):
        value = result.get("value")
        if not isinstance(value, dict):
            continue
        for key in ("choices", "text", "number", "rating"):
            if key in value:
                return _alone(value[key])
    return None


def _label_studio_annotator(answer: Record) -> str:
    by = answer.get("completed_by")
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    return "" if by is None else _name("label-studio", by)


def _is_argilla(record: Record) -> bool:
    return all(isinstance(record.get(key), dict) for key in ("fields", "responses"))


def _argilla_rows(record: Record) -> Iterator[dict[str, Any]]:
    metadata = record.get("metadata")
    item = {**(metadata if isinstance(metadata, dict) else {}), **record["fields"]}
    if record.get("id") is not None:
        item["id"] = record["id"]
    answers = [
        (_alone(one.get("value")), _name("argilla", one["user_id"]) if one.get("user_id") else "")
        for responses in record["responses"].values()
        for one in _dicts(responses)
        if one.get("status") in (None, "submitted")
    ]
    yield from _answered(item, answers)


def _is_prodigy(record: Record) -> bool:
    return "answer" in record and ("_input_hash" in record or "_task_hash" in record)


def _prodigy_rows(record: Record) -> Iterator[dict[str, Any]]:
    meta = record.get("meta")
    item = {**(meta if isinstance(meta, dict) else {}), "text": record.get("text")}
    answers = []
    # What was rejected says which label it is not, and what was ignored nothing.
    if record["answer"] == "accept":
        by = record.get("_annotator_id")
        label = record["accept"] if isinstance(record.get("accept"), list) else record.get("label")
        answers = [(_alone(label), "" if by is None else _name("prodigy", by))]
    yield from _answered(item, answers)


def _is_doccano(record: Record) -> bool:
    labels = record.get("label", record.get("labels"))
    has_text = isinstance(record.get("text", record.get("data")), str)
    # A text with a list of labels may be anybody's.
    return has_text and isinstance(labels, list) and "Comments" in record


def _doccano_rows(record: Record) -> Iterator[dict[str, Any]]:
    item = {key: value for key, value in record.items() if key not in ("label", "labels", "data", "Comments")}
    item.setdefault("text", record.get("data"))
    labels = record.get("label", record.get("labels"))
    # Spans of a text are no answer about all of it.
    yield from _answered(item, [(_alone(labels), "")] if _is_names(labels) else [])


def _answered(item: dict[str, Any], answers: list[tuple[Any, str]]) -> Iterator[dict[str, Any]]:
    given = [(label, annotator) for label, annotator in answers if label is not None and label != []]
    for label, annotator in given or [(None, "")]:
        yield {**item, LABEL: label, ANNOTATOR: annotator}


def _alone(value: Any) -> Any:
    """The only element of a list of one; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _is_names(labels: Any) -> bool:
    return isinstance(labels, list) and bool(labels) and all(isinstance(label, str) for label in labels)


def _dicts(values: Any) -> Iterator[Record]:
    return (value for value in values if isinstance(value, dict)) if isinstance(values, list) else iter(())


def _name(tool: str, given: Any) -> str:
    """A name of an annotator: as it was given, or with its tool before it where it is a number or an id."""
    text = str(given).strip()
    name = text if "@" in text or text.isalpha() else f"{tool}:{text}"
    return "".join(character for character in name if character.isprintable())[:60]


TOOLS = (
    Tool("Label Studio", _is_label_studio, _label_studio_rows),
    Tool("Argilla", _is_argilla, _argilla_rows),
    Tool("Prodigy", _is_prodigy, _prodigy_rows),
    Tool("doccano", _is_doccano, _doccano_rows),
)

"""Exports of other labeling tools go in as they are, with people's labels under their names."""

import json
from pathlib import Path
from typing import Any

import pytest

from nextlabel.client.readers.file import ItemFile
from nextlabel.client.readers.tool_exports import TOOLS, tool_of
from tests.client.conftest import Cli
from tests.client.fake_state import State

CHOICE = {"from_name": "topic", "to_name": "text", "type": "choices"}


def said(label: str, by: Any, **more: Any) -> dict[str, Any]:
    return {"completed_by": by, "result": [{**CHOICE, "value": {"choices": [label]}}], **more}


EXPORTS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str | None, str]]]] = {
    "Label Studio": (
        [
            {
                "id": 1,
                "data": {"text": "the ball"},
                "annotations": [said("sports", 7), said("politics", {"email": "ann@x.org"})],
                "predictions": [said("politics", None)],
            },
            {"id": 2, "data": {"text": "the vote"}, "annotations": [said("sports", 7, was_cancelled=True)]},
        ],
        [
            ("the ball", "sports", "label-studio:7"),
            ("the ball", "politics", "ann@x.org"),
            ("the vote", None, ""),
        ],
    ),
    "Argilla": (
        [
            {
                "id": "1",
                "fields": {"text": "the ball"},
                "metadata": {},
                "suggestions": {"topic": {"value": "politics", "agent": "gpt"}},
                "responses": {"topic": [{"value": "sports", "user_id": "5bc2"}]},
            },
            {
                "id": "2",
                "fields": {"text": "the vote"},
                "responses": {"topic": [{"value": "x", "status": "discarded"}]},
            },
        ],
        [("the ball", "sports", "argilla:5bc2"), ("the vote", None, "")],
    ),
    "Prodigy": (
        [
            {
                "text": "the ball",
                "_task_hash": 1,
                "accept": ["sports"],
                "answer": "accept",
                "_annotator_id": "t-ann",
            },
            {"text": "the vote", "_task_hash": 2, "label": "sports", "answer": "reject"},
            {"text": "a law", "_task_hash": 3, "label": "politics", "answer": "accept"},
        ],
        [("the ball", "sports", "prodigy:t-ann"), ("the vote", None, ""), ("a law", "politics", "")],
    ),
    "doccano": (
        [
            {"id": 1, "text": "the ball", "label": ["sports"], "Comments": []},
            {"id": 2, "data": "the vote", "label": [[0, 3, "PER"]], "Comments": []},
        ],
        [("the ball", "sports", ""), ("the vote", None, "")],
    ),
}


def write(path: Path, tool: str) -> Path:
    records = EXPORTS[tool][0]
    as_lines = tool in ("Prodigy", "doccano")
    path.write_text("\n".join(map(json.dumps, records)) + "\n" if as_lines else json.dumps(records))
    return path


@pytest.mark.parametrize("tool", EXPORTS)
def test_every_answer_of_a_person_is_read_with_who_gave_it(tool: str, tmp_path: Path) -> None:
    items = ItemFile(write(tmp_path / "export.json", tool))
    found = [
        row for rows in items.blocks() for row in zip(rows.texts, rows.labels or (), rows.annotators or (), strict=True)
    ]
    assert (items.tool, found) == (tool, EXPORTS[tool][1])


def test_each_shape_is_one_tools_and_what_people_have_is_nobodys() -> None:
    shapes = [(tool, record) for tool, (records, _) in EXPORTS.items() for record in records]
    assert [[tool.name for tool in TOOLS if tool.recognises(record)] for _, record in shapes] == [
        [tool] for tool, _ in shapes
    ]
    plain: list[dict[str, Any]] = [
        {"text": "a", "label": ["x"]},
        {"text": "a", "answer": "b"},
        {"data": {"text": "a"}},
        {"annotations": []},
        {},
    ]
    assert [tool_of(record) for record in plain] == [None] * len(plain)


@pytest.mark.parametrize("broken", [None, 7, "x", [], {}, [None], [{"result": 3}], [{"result": [{"value": 1}]}]])
def test_a_strange_record_is_an_item_without_a_label(broken: Any) -> None:
    """What a tool of another version or a stranger wrote never stops a file."""
    records: list[dict[str, Any]] = [
        {"data": {"text": "a"}, "predictions": [], "annotations": broken},
        {"fields": {"text": "a"}, "metadata": broken, "responses": {"q": broken}},
        {"text": "a", "answer": "accept", "_task_hash": 1, "accept": broken, "meta": broken, "label": None},
    ]
    for record in records:
        tool = tool_of(record)
        assert tool is not None
        assert {row["text"] for row in tool.rows(record)} == {"a"}


def test_labels_are_kept_under_the_names_of_those_who_gave_them(
    cli: Cli, news: str, state: State, tmp_path: Path
) -> None:
    done = cli("pool", "add", news, str(write(tmp_path / "export.json", "Label Studio")), "--output", "json")
    assert done.code == 0, done.err
    assert "an export of Label Studio" in done.err
    assert (done.json["accepted"], done.json["labels"]) == (2, 2)
    kept = {(one.provenance.annotator, one.answer.single_label.label) for one in state.annotations[news]}
    assert kept == {("label-studio:7", "sports"), ("ann@x.org", "politics")}


def test_what_goes_out_to_label_studio_comes_back(cli: Cli, news: str, state: State, tmp_path: Path) -> None:
    cli("pool", "add", news, str(write(tmp_path / "in.json", "Prodigy")))
    out = tmp_path / "tasks.json"
    assert cli("export", news, "--form", "label-studio", "--to", str(out)).code == 0
    items = ItemFile(out)
    assert [text for rows in items.blocks() for text in rows.texts] == ["the ball", "the vote", "a law"]
    assert items.tool in ("Label Studio", None)

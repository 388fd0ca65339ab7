"""The rows of a file that is to be labeled, and the labels that some of them have."""

import json
from pathlib import Path

import pytest

from nextlabel.client.cli.reading import Reading
from nextlabel.server.auto.source import LabeledSource

ROWS = [{"it": {"text": "red"}, "note": {"topic": "colours"}}, {"it": {"text": "seven"}}]


def source(folder: Path, known: str) -> LabeledSource:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return LabeledSource(str(path), Reading(), "it.text", None, known)


def test_known_labels_may_be_nested_as_texts_may(tmp_path: Path) -> None:
    rows = source(tmp_path, "note.topic")
    assert [(row.text, row.known) for row in rows.rows(rows.names())] == [("red", "colours"), ("seven", None)]


def test_a_column_of_known_labels_that_is_not_there_is_named_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no column 'note.label'.*--known"):
        source(tmp_path, "note.label").names()

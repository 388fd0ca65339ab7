"""The rows of a file that is to be labeled, and the labels that some of them have."""

import json
from pathlib import Path

import pytest

from nextlabel.client.cli.files.reading import Reading
from nextlabel.client.items import content_id
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


def test_lines_that_cannot_be_read_come_back_in_their_places_and_say_why(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,text,b\n1\n2,red,x\n3,two,4,5\n6,seven,y\n7,"no " end,z\n8,nine\n')
    reading = LabeledSource(str(path), Reading(), "text", None, None)
    rows = [*reading.rows(reading.names())]
    assert [row.columns.get("a") for row in rows] == ["1", "2", "3", "6", None, "8"]
    assert [row.text for row in rows] == ["", "red", "", "seven", "", ""]
    assert [row.problem.partition(":")[0] for row in rows] == ["line 2", "", "line 4", "", "line 6", "line 7"]
    assert "1 fields, but the header names 3" in rows[0].problem


def test_a_last_line_as_short_as_others_and_without_an_end_comes_back_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,text\n1,red\n2\n3,blue\n4")
    reading = LabeledSource(str(path), Reading(), "text", None, None)
    assert [(row.columns["a"], row.text) for row in reading.rows(["a", "text"])] == [
        ("1", "red"),
        ("2", ""),
        ("3", "blue"),
        ("4", ""),
    ]


@pytest.mark.parametrize(
    ("cell", "why"), [("", "no text"), (" ", "no text"), (None, "no text"), (7, "int"), ("\ud800", "Unicode")]
)
def test_what_is_no_text_is_no_item(tmp_path: Path, cell: object, why: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"text": cell}) + "\n")
    reading = LabeledSource(str(path), Reading(), "text", None, None)
    (row,) = reading.rows(reading.names())
    assert not row.item_id
    assert why in row.problem


def test_an_id_that_several_texts_have_is_that_of_the_first_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,text\n7,red\n7,seven\n8,blue\n7,red\n7,seven\n")
    reading = LabeledSource(str(path), Reading(), "text", None, None)
    rows = [*reading.rows(reading.names(), quiet=False)]
    assert [row.item_id for row in rows] == ["7", content_id("seven"), "8", "7", content_id("seven")]
    assert [row.columns["id"] for row in rows] == ["7", "7", "8", "7", "7"]
    assert "rows with the id of an earlier row of another text: 2" in capsys.readouterr().err

"""Labeled files out: what went in comes back with its label, in the form that the ending names."""

import json
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from nextlabel.client import Client, Item
from nextlabel.v1 import annotation_pb2 as annotation
from tests.client.conftest import Cli
from tests.client.fake_state import State

ITEMS = [
    {"id": "a", "text": "the ball", "year": 1999, "label": "from the source"},
    {"id": "b", "text": "=1+1", "year": None},
    {"id": "c", "text": "the vote"},
]


@pytest.fixture
def labeled(cli: Cli, client: Client, news: str, state: State, tmp_path: Path) -> str:
    """A project with three items, two of them answered."""
    source = tmp_path / "items.jsonl"
    source.write_text("".join(json.dumps(item) + "\n" for item in ITEMS))
    assert cli("pool", "add", news, str(source), "--metadata", "year,label").code == 0
    for item_id, trusted in (("a", True), ("c", False)):
        answer = annotation.Answer(single_label=annotation.SingleLabel(label="sports"))
        state.consensus[item_id] = annotation.Consensus(
            item_id=item_id, answer=answer, probability=0.9, trusted=trusted, annotation_count=1
        )
    client.labeling.submit(news, {"a": "sports"}, annotator="ann")
    return news


def read(path: Path) -> list[dict[str, Any]]:
    readers: dict[str, Any] = {
        ".csv": lambda: pd.read_csv(path),
        ".parquet": lambda: pd.read_parquet(path),
        ".jsonl": lambda: pd.read_json(path, lines=True),
    }
    frame = readers[path.suffix]()
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_items_come_back_with_their_labels_and_columns(cli: Cli, labeled: str, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    done = cli("export", labeled, "--per", "item", "--to", str(path))
    assert (done.code, done.err) == (0, f"wrote 3 items to {path}\n")
    rows = read(path)
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert [row["label"] for row in rows if isinstance(row["label"], str)] == ["sports", "sports"]
    assert (rows[0]["year"], rows[0]["metadata.label"]) == (1999, "from the source")


def test_a_workbook_holds_a_row_for_each_item(cli: Cli, labeled: str, tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    assert cli("export", labeled, "--per", "item", "--to", str(path)).code == 0
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    header, *rows = sheet.iter_rows(values_only=True)
    assert header[:3] == ("id", "text", "label")
    assert [row[:2] for row in rows] == [("a", "the ball"), ("b", "'=1+1"), ("c", "the vote")]


def test_only_what_is_trusted_is_written_when_asked_for(cli: Cli, labeled: str) -> None:
    done = cli("export", labeled, "--per", "item", "--trusted-only")
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == ["a"]


def test_annotations_become_a_table_too(cli: Cli, labeled: str, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert cli("export", labeled, "--to", str(path)).code == 0
    assert read(path) == [{"item_id": "a", "label": "sports"}]


def test_an_ending_that_names_no_form_is_refused_before_anything_is_asked(
    cli: Cli, labeled: str, state: State, tmp_path: Path
) -> None:
    asked = state.calls["ListItems"]
    done = cli("export", labeled, "--per", "item", "--to", str(tmp_path / "out.docx"))
    assert (done.code, state.calls["ListItems"]) == (1, asked)
    assert "the ending says the form; give one of .csv, .tsv, .jsonl, .xlsx, .parquet" in done.err


def test_items_belong_to_no_run(cli: Cli, labeled: str) -> None:
    assert cli("export", labeled, "--per", "item", "--run", "run-1").code == 2


def test_items_that_evaluate_come_back_with_their_known_label(
    cli: Cli, news: str, client: Client, tmp_path: Path
) -> None:
    client.pool.add(news, [Item("the ball", "h", label="sports")], split="holdout")
    assert json.loads(cli("export", news, "--per", "item").out)["label"] == "sports"

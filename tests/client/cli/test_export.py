"""Labeled files out: what went in comes back with its label, in the form that the ending names."""

import io
import json
from pathlib import Path
from typing import Any

import datasets
import openpyxl
import pandas as pd
import pytest

from nextlabel.client import Client, Item
from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1 import pool_pb2
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
        ".arrow": lambda: pd.read_feather(path),
        "": lambda: datasets.load_from_disk(str(path)).to_pandas(),
        ".jsonl": lambda: pd.read_json(path, lines=True),
    }
    frame = readers[path.suffix]()
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl", ".arrow", ""])
def test_items_come_back_with_their_labels_and_columns(cli: Cli, labeled: str, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
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
    assert "the ending says the form; give one of .csv, .tsv, .jsonl, .xlsx, .parquet, .arrow, or none" in done.err


def test_items_belong_to_no_run(cli: Cli, labeled: str) -> None:
    assert cli("export", labeled, "--per", "item", "--run", "run-1").code == 2


def test_items_that_evaluate_come_back_with_their_known_label(
    cli: Cli, news: str, client: Client, tmp_path: Path
) -> None:
    client.pool.add(news, [Item("the ball", "h", label="sports")], split="holdout")
    assert json.loads(cli("export", news, "--per", "item").out)["label"] == "sports"


def test_a_folder_that_holds_something_else_is_never_replaced(cli: Cli, labeled: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    done = cli("export", labeled, "--per", "item", "--to", str(folder))
    assert (done.code, (folder / "thesis.tex").read_text()) == (1, "years of work")
    assert "holds something else" in done.err


def test_a_data_set_takes_the_place_of_the_one_before(cli: Cli, labeled: str, client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert cli("export", labeled, "--per", "item", "--to", str(folder)).code == 0
    client.pool.add(labeled, [Item("one more", "d")])
    assert cli("export", labeled, "--per", "item", "--to", str(folder)).code == 0
    assert [row["id"] for row in read(folder)] == ["a", "b", "c", "d"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_soft_labels_have_a_number_for_each_class(cli: Cli, labeled: str, state: State) -> None:
    shares = [annotation.Candidate(label="sports", probability=0.75), annotation.Candidate(label="politics")]
    state.consensus["c"].candidates.extend(shares)
    rows = [json.loads(line) for line in cli("export", labeled, "--per", "item", "--soft", "votes").out.splitlines()]
    assert (rows[2]["soft.sports"], rows[2]["soft.politics"]) == (0.75, 0.0)
    assert "soft.sports" not in rows[1]


def test_the_learner_is_not_asked_before_there_is_one(cli: Cli, labeled: str) -> None:
    done = cli("export", labeled, "--per", "item", "--learner")
    assert (done.code, done.err) == (1, "error: news has no model yet; train one first, or leave the learner out\n")


def test_label_studio_gets_what_people_said_as_annotations(cli: Cli, labeled: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    done = cli("export", labeled, "--form", "label-studio", "--to", str(path))
    assert done.code == 0
    assert '<Choices name="label" toName="text"><Choice value="sports"/>' in done.err
    tasks = json.loads(path.read_text())
    assert [set(task) for task in tasks] == [
        {"data", "annotations"},
        {"data", "annotations"},
        {"data", "predictions"},
    ]
    assert tasks[0]["data"] == {"text": "the ball", "id": "a", "year": 1999, "label": "from the source"}
    assert tasks[0]["annotations"][0]["result"][0]["value"] == {"choices": ["sports"]}


def test_argilla_gets_labels_as_suggestions_with_who_made_them(cli: Cli, labeled: str) -> None:
    records = json.loads(cli("export", labeled, "--form", "argilla").out)
    assert records[0]["suggestions"] == {"label": {"value": "sports", "agent": "ann"}}
    assert [record["fields"]["text"] for record in records] == ["the ball", "=1+1", "the vote"]


@pytest.mark.parametrize("option", [["--form", "argilla", "--to", "out.csv"], ["--soft", "votes"], ["--learner"]])
def test_options_that_do_not_fit_are_refused(cli: Cli, labeled: str, option: list[str]) -> None:
    assert cli("export", labeled, *option).code in (1, 2)


def test_people_who_contradict_each_other_are_to_look_again(cli: Cli, labeled: str, state: State) -> None:
    """Their answers are trusted, and still none of them is the label of an item that needs another one."""
    state.needs["a"] = pool_pb2.ItemNeed(reason=pool_pb2.NEED_REASON_NO_AGREEMENT, attempts=2)
    first = json.loads(cli("export", labeled, "--per", "item").out.splitlines()[0])
    assert (first["trusted"], first["review"]) == (True, "no agreement")


def test_lists_are_csv_too(cli: Cli, labeled: str) -> None:
    done = cli("pool", "list", labeled, "--output", "csv")
    found = pd.read_csv(io.StringIO(done.out))
    assert list(found["item.text"]) == ["the ball", "'=1+1", "the vote"]
    assert found["consensus.answer"][0] == "sports"
    assert len(pd.read_csv(io.StringIO(cli("pool", "status", labeled, "--output", "csv").out))) == 1


@pytest.fixture
def half_filtered(cli: Cli, client: Client, news: str) -> str:
    """A project with three items, of which a filter leaves out two."""
    client.pool.add(news, [Item(f"text {n}", f"item-{n}") for n in range(3)])
    client.labeling.submit(news, {f"item-{n}": "sports" for n in range(3)}, annotator="ann")
    assert cli("quality", "filters", "add", news, "doubted", "trusted").code == 0
    return news


def test_items_that_filters_leave_out_are_dropped_and_counted(cli: Cli, half_filtered: str) -> None:
    done = cli("export", half_filtered, "--per", "item")
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == ["item-2"]
    assert "left out, as filters name them: doubted 2" in done.err


def test_items_that_filters_leave_out_are_marked_or_kept_when_asked_for(cli: Cli, half_filtered: str) -> None:
    def rows(*options: str) -> list[dict[str, Any]]:
        done = cli("export", half_filtered, *options)
        assert done.err == ""
        return [json.loads(line) for line in done.out.splitlines()]

    marked = rows("--per", "item", "--filtered", "mark")
    assert [row["filtered_by"] for row in marked] == ["doubted", "doubted", ""]
    without = [{name: value for name, value in row.items() if name != "filtered_by"} for row in marked]
    assert rows("--per", "item", "--filtered", "keep") == without
    done = cli("export", half_filtered, "--form", "label-studio", "--filtered", "mark")
    assert [task["data"]["filtered_by"] for task in json.loads(done.out)] == ["doubted", "doubted", ""]


def test_a_datasheet_tells_what_filters_left_out(cli: Cli, half_filtered: str) -> None:
    sheet = cli("export", half_filtered, "--form", "datasheet").out
    assert "| doubted | trusted | 2 |" in sheet
    assert "Filters left labels out" in sheet
    kept = cli("export", half_filtered, "--form", "datasheet", "--filtered", "keep").out
    assert "are in it like all others" in kept
    assert "Filters left labels out" not in kept

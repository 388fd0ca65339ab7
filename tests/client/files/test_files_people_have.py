"""Files as spreadsheets, exports and editors write them: what they hold goes in, or is reported by line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.client import Client, Columns, Item, ItemFile
from tests.client.conftest import Cli
from tests.client.fake_state import State


def read(path: Path, **how: Any) -> tuple[list[str], list[int], list[str]]:
    """The texts of a file, the lines that were passed over, and what was said about how it was read."""
    items = ItemFile(path, **how)
    texts = [text for rows in items.blocks() for text in rows.texts]
    return texts, [problem.line for problem in items.problems], items.notes


def written(tmp_path: Path, content: str | bytes, name: str = "f.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["f.csv", "f.tsv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_separator_encoding_and_line_ends_are_found(
    tmp_path: Path, separator: str, name: str, encoding: str, line_end: str
) -> None:
    rows = [("nr", "text"), ("1", "Grüße, schön"), ("2", "“Zitat”; mit | Strich")]
    quoted = '"' if separator != "\t" else ""
    lines = [separator.join(f"{quoted}{cell}{quoted}" for cell in row) + line_end for row in rows]
    path = written(tmp_path, "".join(lines), name, encoding)
    assert read(path)[:2] == (["Grüße, schön", "“Zitat”; mit | Strich"], [])


def test_what_was_found_is_said_and_can_be_overridden(cli: Cli, news: str, state: State, tmp_path: Path) -> None:
    path = written(tmp_path, "text;nr\ncafé, au lait;1\n", encoding="windows-1252")
    done = cli("pool", "add", news, str(path))
    assert (done.code, [item.text for item in state.items[news].values()]) == (0, ["café, au lait"])
    assert f"reading {path}: windows-1252, semicolon-separated\n" in done.err
    done = cli("pool", "add", news, str(path), "--separator", "comma", "--text", "text;nr")
    assert (done.code, "2 fields, but the header names 1" in done.err) == (1, True)
    assert cli("pool", "add", news, str(path), "--encoding", "utf-8").code == 1


def test_a_file_without_a_header_has_numbered_columns(cli: Cli, news: str, state: State, tmp_path: Path) -> None:
    path = written(tmp_path, "7,hello\n8,bye\n")
    assert cli("pool", "add", news, str(path), "--no-header", "--text", "2", "--id", "1").code == 0
    assert {item.id: item.text for item in state.items[news].values()} == {"7": "hello", "8": "bye"}


@pytest.mark.parametrize("name", ["f.tsv", "f.txt"])
def test_a_quote_at_the_beginning_of_a_field_swallows_no_rows_of_tab_separated_text(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, 'id\ttext\n1\t"Never ends\n2\ttwo\n3\t"Well", he said\n4\tfour\n', name)
    texts, lines, _ = read(path, file_format="tsv")
    assert (texts, lines) == (['"Never ends', "two", '"Well", he said', "four"], [])


def test_tab_separated_text_that_needs_its_quotes_keeps_them(tmp_path: Path) -> None:
    path = written(tmp_path, 'id\ttext\n1\t"two\nlines"\n2\t"say ""hi"""\n', "f.tsv")
    assert read(path)[0] == ["two\nlines", 'say "hi"']


def test_tab_separated_text_with_short_rows_keeps_its_quotes_too(tmp_path: Path) -> None:
    path = written(tmp_path, 'id\ttext\n0\n1\t"two\nlines"\n2\t"say ""hi"""\n3\tx\ty\n', "f.tsv")
    texts, _, _ = read(path)
    assert texts == ["two\nlines", 'say "hi"']


def test_a_quote_that_nobody_closes_costs_its_own_line_only(tmp_path: Path) -> None:
    path = written(tmp_path, 'id,text\n1,"never ends\n2,two\n3,"th"ree\n4,four\n')
    texts, lines, _ = read(path)
    assert (texts, lines) == (["two", "four"], [2, 4])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=8))
def test_no_row_of_tab_separated_text_vanishes(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("tsv") / "f.tsv"
    path.write_text("".join(["id\ttext\n", *(f"{i}\t{text}\n" for i, text in enumerate(texts))]), encoding="utf-8")
    found, lines, _ = read(path)
    assert len(found) + len(lines) == len(texts)


def test_a_header_may_have_empty_names_and_spaces(tmp_path: Path) -> None:
    assert read(written(tmp_path, ", text ,,\n0,one,,\n1,two,,\n"))[:2] == (["one", "two"], [])


def test_empty_cells_beyond_the_last_column_are_none(tmp_path: Path) -> None:
    assert read(written(tmp_path, "id;text\n1;one;;\n2;two;x;\n"))[:2] == (["one"], [3])


@pytest.mark.parametrize("name", ["f.jsonl", "f.json"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_read_whatever_its_name(tmp_path: Path, name: str, indent: int | None) -> None:
    records = [{"text": "one"}, {"text": "two\nlines"}, {"text": "three"}]
    assert read(written(tmp_path, json.dumps(records, indent=indent), name))[:2] == (["one", "two\nlines", "three"], [])


def test_a_malformed_object_of_an_array_is_reported_by_line(tmp_path: Path) -> None:
    path = written(tmp_path, '[\n{"text": "one"},\n3,\n{"text": "a", "text": "b"},\n{"text": "two"}\n]\n', "f.json")
    assert read(path)[:2] == (["one", "two"], [3, 4])


def test_a_key_that_is_there_twice_is_reported(tmp_path: Path) -> None:
    items = ItemFile(written(tmp_path, '{"text": "a", "text": "b"}\n{"text": "c"}\n', "f.jsonl"))
    assert [text for rows in items.blocks() for text in rows.texts] == ["c"]
    assert items.problems[0].message == "the key 'text' is there more than once"


def parquet_of(tmp_path: Path, table: pa.Table) -> ItemFile:
    pq.write_table(table, tmp_path / "f.parquet")
    return ItemFile(tmp_path / "f.parquet")


def twice(name: str) -> pa.Table:
    return pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["text", name, name])


@pytest.mark.parametrize("source", ["frame", "arrow", "parquet", "csv"])
def test_a_repeated_column_matters_only_where_it_is_chosen(
    client: Client, news: str, state: State, tmp_path: Path, source: str
) -> None:
    def made(name: str) -> Any:
        table = twice(name)
        if source == "frame":
            return pd.DataFrame([["a", "b", "c"]], columns=["text", name, name])
        if source == "arrow":
            return table
        if source == "parquet":
            return parquet_of(tmp_path, table)
        return ItemFile(written(tmp_path, f"text,{name},{name}\na,b,c\n"))

    assert client.pool.add(news, made("other")).accepted == 1
    with pytest.raises(ValueError, match="id: there are 2 columns 'id'; rename all but one"):
        client.pool.add(news, made("id"))


@pytest.mark.parametrize("item_id", [1.0, True, ["a"], {"a": 1}])
def test_an_id_that_is_none_says_what_it_is(client: Client, news: str, item_id: Any) -> None:
    result = client.pool.add(news, [{"id": item_id, "text": "one"}, {"id": "b", "text": "two"}])
    assert result.accepted == 1
    (error,) = result.errors
    assert (error.reason, error.message) == ("ID_INVALID", f"id: expected a text or a whole number, got {item_id!r}")


def test_an_id_that_is_no_unicode_says_so(client: Client, news: str) -> None:
    (error,) = client.pool.add(news, [Item("one", id="\udc80")]).errors
    assert error.message == "id: it is not valid Unicode"


def workbook(path: Path, *sheets: Sequence[Any]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, start=1):
        sheet = book.create_sheet(f"S{number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_is_read_by_its_first_sheet_unless_another_is_named(tmp_path: Path) -> None:
    rows = [["id", "text"], [1, "one"], [], [2, 42]]
    path = workbook(tmp_path / "f.xlsx", rows, [["body"], ["other"]])
    assert read(path) == (["one", "42"], [], ["sheet 'S1' of 2"])
    (block,) = ItemFile(path).blocks()
    assert (list(block.ids or ()), list(block.numbers)) == ([1, 2], [2, 4])
    assert read(path, sheet="S2", columns=Columns(text="body"))[0] == ["other"]
    with pytest.raises(ValueError, match="has no sheet 'S3'; its sheets are: S1, S2"):
        read(path, sheet="S3")


def test_a_workbook_is_recognised_by_its_content(tmp_path: Path) -> None:
    path = workbook(tmp_path / "f.xlsx", [["text"], ["one"]])
    assert read(path.rename(tmp_path / "f.csv"))[0] == ["one"]


@pytest.mark.parametrize("cut", [10, 1_000, 3_000])
def test_a_damaged_workbook_is_a_file_error(tmp_path: Path, cut: int) -> None:
    content = workbook(tmp_path / "f.xlsx", [["text"], ["one"]]).read_bytes()
    with pytest.raises(ValueError, match="is no Excel workbook"):
        read(written(tmp_path, content[:cut], "g.xlsx"))


def test_class_files_guidelines_and_profiles_may_have_marks_and_any_line_ends(
    cli: Cli, state: State, tmp_path: Path
) -> None:
    classes = written(tmp_path, "\ufeffsports\tgames\rpoli\u2028tics\t\r", "classes.txt")
    codebook = written(tmp_path, "Sort.\r\nBe brief.", "codebook.md", "utf-16")
    assert cli("project", "create", "news", "--labels-file", str(classes), "--guidelines", str(codebook)).code == 0
    assert [c.name for c in state.projects["news"].label_space.classes] == ["sports", "poli\u2028tics"]
    assert state.guidelines["news"][0].text == "Sort.\nBe brief."


def test_a_class_name_with_a_comma_stands_in_quotes(cli: Cli, state: State) -> None:
    assert cli("project", "create", "news", "--labels", '"arts, letters",sports').code == 0
    assert [c.name for c in state.projects["news"].label_space.classes] == ["arts, letters", "sports"]
    assert cli("project", "create", "other", "--labels", "a,,b").code == 2


def test_composed_and_decomposed_names_are_one_class(client: Client, state: State) -> None:
    client.projects.create("news", labels=["cafe\u0301", "thé"])
    client.pool.add("news", [{"id": "a", "text": "one"}])
    client.labeling.submit("news", {"a": "cafe\u0301"}, annotator="ann")
    assert [c.name for c in state.projects["news"].label_space.classes] == ["café", "thé"]
    assert state.annotations["news"][0].answer.single_label.label == "café"


ROWS = (
    '{"id": "a", "text": "ball", "label": "sports"}\n'
    '{"id": true, "text": "x", "label": "sports"}\n'
    '{"id": "c", "text": "\\ud800", "label": 0.5}\n'
    '{"id": "d", "text": "vote", "label": "politics"}\n'
)


@pytest.mark.parametrize(
    "command",
    [
        ("label", "news", "--annotator", "ann", "--from"),
        ("run", "start", "news", "--annotator", "replay", "--labels-from"),
        ("predict", "news"),
        ("pool", "add", "news", "--split", "holdout"),
    ],
)
def test_one_bad_row_is_reported_by_its_line_and_the_others_are_taken(
    cli: Cli, client: Client, news: str, state: State, tmp_path: Path, command: tuple[str, ...]
) -> None:
    client.pool.add(news, [Item("ball", id="a"), Item("vote", id="d")]) if command[0] == "label" else None
    done = cli(*command, str(written(tmp_path, ROWS, "f.jsonl")))
    assert "line 2" in done.err
    assert "line 3" in done.err
    assert "line 1" not in done.err
    assert "line 4" not in done.err
    taken = {
        "label": [a.item_id for a in state.annotations[news]],
        "run": list(state.replay[news, "known"]),
        "predict": [line.split()[0] for line in done.out.splitlines()[1:]],
        "pool": list(state.items[news]),
    }
    assert taken[command[0]] == ["a", "d"]


def test_a_text_that_the_service_does_not_predict_is_reported_by_its_line(
    cli: Cli, news: str, state: State, tmp_path: Path
) -> None:
    state.longest_text = 10
    done = cli("predict", news, str(written(tmp_path, "id,text\na,ball\nb,much too long\nc,vote\n")), "-o", "jsonl")
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == ["a", "c"]
    assert (done.code, "line 3, item b: at most 10 bytes" in done.err) == (1, True)


def test_contradicting_answers_are_named_and_none_is_taken(
    cli: Cli, client: Client, news: str, state: State, tmp_path: Path
) -> None:
    client.pool.add(news, [Item("one", id="a"), Item("two", id="b")])
    path = written(tmp_path, "id,label\na,sports\nb,sports\na,politics\nb,sports\n")
    done = cli("label", news, "--annotator", "ann", "--from", str(path), "-o", "json")
    assert (done.code, done.json["accepted"], done.json["passed_over"]) == (1, 1, 1)
    assert "item a: lines 2, 4 give different answers; none was taken" in done.err
    assert [a.item_id for a in state.annotations[news]] == ["b"]


@pytest.mark.parametrize(
    "content", ["id,body\n1,one\n", "id,text\n1,one\n", "id,text,label\n1,one,\n"], ids=["text", "label", "no label"]
)
def test_a_holdout_that_cannot_be_used_leaves_no_project(cli: Cli, state: State, tmp_path: Path, content: str) -> None:
    done = cli("project", "create", "news", "--labels", "a,b", "--holdout", str(written(tmp_path, content)))
    assert (done.code, state.projects) == (1, {})

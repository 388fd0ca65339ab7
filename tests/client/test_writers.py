"""What is written comes back from the readers, whatever the ending."""

from __future__ import annotations

import errno
import os
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.client.items import Columns
from nextlabel.client.readers.errors import FileError
from nextlabel.client.readers.file import ItemFile
from nextlabel.client.writers.replacing import replacing, replacing_folder
from nextlabel.client.writers.table import write_table

ENDINGS = (".csv", ".tsv", ".jsonl", ".xlsx", ".parquet")
TEXTS = ["plain", 'with "quotes", and; separators\tand tabs', "two\nlines", "Grüße 你好 🙂", "'quoted'"]


def read(path: Path) -> list[tuple[str, str]]:
    columns = Columns(metadata=("note",))
    rows = list(ItemFile(path, columns=columns).blocks())
    return [(t, m.get("note") or "") for block in rows for t, m in zip(block.texts, block.metadata or (), strict=True)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_is_read_back(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    rows = [{"text": text, "note": text[::-1], "more": 1} for text in TEXTS]
    assert write_table(path, ["text", "note"], rows) == len(rows)
    assert read(path) == [(text, text[::-1]) for text in TEXTS]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip), max_size=8))
def test_any_text_survives_csv_but_for_the_apostrophe_before_formulas(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("written") / "out.csv"
    write_table(path, ["text", "note"], [{"text": text, "note": "n"} for text in texts])
    expected = [f"'{text}" if text[0] in "=+-@" else text for text in texts]
    assert [text for text, _ in read(path)] == expected


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_a_spreadsheet_finds_no_formula(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    write_table(path, ["text", "note"], [{"text": '=HYPERLINK("http://evil","x")', "note": "@SUM(1)"}])
    assert read(path) == [('\'=HYPERLINK("http://evil","x")', "'@SUM(1)")]


def test_an_unknown_ending_names_those_there_are_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"\.csv, \.tsv, \.jsonl, \.xlsx, \.parquet, \.arrow, or none"):
        write_table(tmp_path / "out.doc", ["text"], [])
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")

    def rows():
        yield {"text": "one"}
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        write_table(path, ["text"], rows())
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("errors", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_is_told_of_the_file_that_was_asked_for(tmp_path: Path, errors: int) -> None:
    def rows():
        yield {"text": "one"}
        raise OSError(errors, os.strerror(errors))

    path = tmp_path / "out.csv"
    with pytest.raises(FileError, match=f"^{path} cannot be written: "):
        write_table(path, ["text"], rows())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_told_of_the_file_and_errors_of_other_files_stay_theirs(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "out.csv"
    with pytest.raises(FileError, match=f"^{path} cannot be written: no such file or directory$"):
        write_table(path, ["text"], [])
    (tmp_path / "file").touch()
    with (
        pytest.raises(FileError, match=f"^{tmp_path}/file/in/it cannot be written: "),
        replacing_folder(tmp_path / "file" / "in" / "it", "mark"),
    ):
        pass
    with pytest.raises(FileNotFoundError, match="source"), replacing(tmp_path / "out"):
        (tmp_path / "source.csv").open()


def test_others_may_read_a_written_file_as_any_new_one(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    write_table(tmp_path / "out.csv", ["text"], [])
    assert (tmp_path / "out.csv").stat().st_mode == (tmp_path / "new").stat().st_mode


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".xlsx"])
@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime.fromisoformat("2025-03-01T12:30"), {"2025-03-01 12:30:00", "2025-03-01T12:30:00"}),
        (datetime(2025, 3, 1, tzinfo=UTC), {"2025-03-01T00:00:00+00:00"}),
        (date(2025, 3, 1), {"2025-03-01", "2025-03-01 00:00:00"}),
        (time(12, 30), {"12:30:00"}),
        (Decimal("1.25"), {"1.25"}),
    ],
)
def test_dates_and_decimals_of_a_source_stay_what_they_are(
    tmp_path: Path, ending: str, value: object, written: set[str]
) -> None:
    path = tmp_path / f"out{ending}"
    write_table(path, ["text", "note"], [{"text": "a", "note": value}])
    ((_, note),) = read(path)
    assert str(note) in written

"""Files as people have them: right, wrong, and cut off."""

import csv
import gzip
import io
import json
import zlib
from codecs import BOM_UTF8
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.client.export.tables import write_rows
from nextlabel.client.items import Columns, Rows
from nextlabel.client.readers.errors import FileError, TruncatedFileError
from nextlabel.client.readers.file import ItemFile
from nextlabel.client.tables import UnknownColumnError

ROWS = [{"id": "a", "text": "first", "label": "x"}, {"id": "b", "text": "zwei\nZeilen, mit Komma", "label": "y"}]


def texts(items: ItemFile) -> list[str]:
    return [text for rows in items.blocks() for text in rows.texts]


def rows_before_error(items: ItemFile, error: type[Exception]) -> tuple[list[str], str]:
    read: list[str] = []

    def read_all() -> None:
        for rows in items.blocks():
            read.extend(rows.texts)

    with pytest.raises(error) as caught:
        read_all()
    return read, str(caught.value)


def delimited(delimiter: str) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "text", "label"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return out.getvalue().encode()


def jsonl() -> bytes:
    return "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("items.jsonl", jsonl()),
        ("items.ndjson", jsonl()),
        ("items.csv", delimited(",")),
        ("items.tsv", delimited("\t")),
        ("items.parquet", parquet()),
        ("items.jsonl.gz", gzip.compress(jsonl())),
        ("items.csv.gz", gzip.compress(delimited(","))),
        ("packed.jsonl", gzip.compress(jsonl())),
        ("with-bom.csv", b"\xef\xbb\xbf" + delimited(",")),
        ("windows.jsonl", jsonl().replace(b"\n", b"\r\n")),
        ("no-last-line-end.jsonl", jsonl().rstrip()),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (rows,) = ItemFile(tmp_path / name).blocks()
    assert (list(rows.ids or ()), list(rows.texts), list(rows.labels or ())) == (
        ["a", "b"],
        ["first", "zwei\nZeilen, mit Komma"],
        ["x", "y"],
    )


def test_rows_tell_their_line_numbers(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text('{"text": "a"}\n\nbad\n{"text": "b"}\n')
    items = ItemFile(tmp_path / "f.jsonl")
    (rows,) = items.blocks()
    assert list(rows.numbers) == [1, 4]
    assert [problem.line for problem in items.problems] == [3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": }', "not valid JSON: Expecting value at column 10"),
        ("[1]", "expected a JSON object, got an array"),
        ("null", "expected a JSON object, got null"),
        ('{"a": Infinity}', "Infinity is not JSON"),
        ("[" * 100_000, "it is nested too deeply"),
        (f'{{"a": [1, {"9" * 5_000}]}}', "a number has 5,000 digits"),
    ],
)
def test_a_malformed_json_line_is_reported_and_the_rest_read(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "f.jsonl").write_text(f'{{"text": "a"}}\n{line}\n{{"text": "b"}}\n')
    items = ItemFile(tmp_path / "f.jsonl")
    assert texts(items) == ["a", "b"]
    assert [(problem.line, problem.message) for problem in items.problems] == [(2, message)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b,two,y,z", "4 fields, but the header names 3"),
        ("b", "1 fields, but the header names 3"),
        ('b,"two"three,y', "not valid CSV: ',' expected after '\"'"),
    ],
)
def test_a_malformed_csv_line_is_reported_and_the_rest_read(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "f.csv").write_text(f"id,text,label\na,one,x\n{line}\nc,three,z\n")
    items = ItemFile(tmp_path / "f.csv")
    assert texts(items) == ["one", "three"]
    assert [(problem.line, problem.message) for problem in items.problems] == [(3, message)]


def test_bytes_that_are_no_text_are_reported_by_line(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_bytes('{"text": "Grüße"}\n'.encode() + b'{"text": "caf\xe9"}\n{"text": "b"}\n')
    items = ItemFile(tmp_path / "f.jsonl")
    assert texts(items) == ["Grüße", "b"]
    assert items.problems[0].message == "it is not valid utf-8; pass the encoding of the file"


def test_an_encoding_that_is_given_is_not_doubted(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("text\nhé\n", encoding="utf-16")
    with pytest.raises(FileError, match="not UTF-8 but UTF-16; pass its encoding: utf-16"):
        texts(ItemFile(tmp_path / "f.csv", encoding="utf-8"))
    assert texts(ItemFile(tmp_path / "f.csv", encoding="utf-16")) == ["hé"]


def test_an_encoding_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("text\n")
    with pytest.raises(FileError, match="'klingon' is not the name of an encoding"):
        texts(ItemFile(tmp_path / "f.csv", encoding="klingon"))


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("cut.jsonl", b'{"text": "a"}\n{"text": "b"}\n{"tex', ["a", "b"]),
        ("cut.csv", b"id,text\n1,a\n2,b\n3", ["a", "b"]),
        ("quoted.csv", b'id,text\n1,a\n2,b\n3,"c', ["a", "b"]),
    ],
)
def test_a_file_that_ends_in_the_middle(tmp_path: Path, name: str, content: bytes, read: list[str]) -> None:
    (tmp_path / name).write_bytes(content)
    before, message = rows_before_error(ItemFile(tmp_path / name), TruncatedFileError)
    assert before == read
    assert "download it again" in message


@pytest.mark.parametrize(
    ("content", "packed", "line"),
    [
        (b"id,text,label\n1,a,x\n2\n3,c,y\n4", False, 5),
        (b"id,text,label\n1\n2,b\n3,c,y\n4,d", False, 5),
        (b"id,text,label\n1,a,x\n2,b", True, 3),
    ],
)
def test_a_short_last_line_without_an_end_is_reported_where_it_is_known_to_be_whole(
    tmp_path: Path, content: bytes, packed: bool, line: int
) -> None:
    """Earlier lines are as short, or gzip says that nothing is missing."""
    (tmp_path / "f.csv").write_bytes(gzip.compress(content) if packed else content)
    items = ItemFile(tmp_path / "f.csv")
    texts(items)
    assert items.problems[-1].line == line
    assert "but the header names 3" in items.problems[-1].message


def test_a_last_line_that_is_shorter_than_any_other_may_be_cut_off(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(b"id,text,label\n1,a\n2,b,y\n3")
    _, message = rows_before_error(ItemFile(tmp_path / "f.csv"), TruncatedFileError)
    assert "ends in the middle of line 4" in message


def test_gzip_that_ends_in_the_middle(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": f"{zlib.crc32(str(i).encode())}"}) + "\n" for i in range(50_000))
    packed = gzip.compress(lines.encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    before, message = rows_before_error(ItemFile(tmp_path / "cut.jsonl.gz"), TruncatedFileError)
    whole = [json.loads(line)["text"] for line in lines.splitlines()]
    assert len(before) > 15_000
    assert before == whole[: len(before)]
    assert "in the middle of its gzip data" in message


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(jsonl() * 1_000))
    packed[-6] ^= 0xFF
    (tmp_path / "bad.jsonl.gz").write_bytes(packed)
    before, message = rows_before_error(ItemFile(tmp_path / "bad.jsonl.gz"), FileError)
    assert len(before) == 2_000
    assert "damaged gzip" in message


def test_parquet_that_ends_in_the_middle(tmp_path: Path) -> None:
    (tmp_path / "cut.parquet").write_bytes(parquet()[:-20])
    before, message = rows_before_error(ItemFile(tmp_path / "cut.parquet"), FileError)
    assert before == []
    assert "no complete Parquet file" in message


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.parquet").write_bytes(parquet())
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(FileError, match=r"pip install 'nextlabel\[parquet\]'"):
        texts(ItemFile(tmp_path / "f.parquet"))


def test_parquet_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(parquet())
    monkeypatch.setattr("sys.stdin", (tmp_path / "f").open())
    assert len(texts(ItemFile("-", file_format="parquet"))) == 2


@pytest.mark.parametrize("name", ["f.jsonl", "f.csv", "f.parquet"])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(text="body"), "text: there is no column 'body'; the columns are: id, text, label"),
        (Columns(id="uuid", required=frozenset({"text", "id"})), "id: there is no column 'uuid'"),
        (Columns(label="class", required=frozenset({"label"})), "label: there is no column 'class'"),
        (Columns(metadata=("year",)), "metadata: there is no column 'year'"),
    ],
)
def test_an_unknown_column_lists_the_columns(tmp_path: Path, name: str, columns: Columns, message: str) -> None:
    content = {"f.jsonl": jsonl(), "f.csv": delimited(","), "f.parquet": parquet()}[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnknownColumnError, match=message):
        texts(ItemFile(tmp_path / name, columns=columns))


def test_a_json_record_may_lack_a_column(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text('{"text": "a"}\n{"text": "b", "year": 1999}\n')
    (rows,) = ItemFile(tmp_path / "f.jsonl", columns=Columns(metadata=("year",))).blocks()
    assert rows.metadata == [{}, {"year": 1999}]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_what_an_llm_wrote_keeps_its_mark_without_being_asked(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"written.{ending}"
    write_rows(
        path, [{"text": "a real one", "year": 1}, {"text": "a written one", "nextlabel_synthetic": True, "year": 2}]
    )
    (rows,) = ItemFile(path).blocks()
    assert list(rows.metadata or ()) == [{}, {"nextlabel_synthetic": True}]
    (rows,) = ItemFile(path, columns=Columns(metadata=("year",))).blocks()
    assert [one.get("nextlabel_synthetic") for one in rows.metadata or ()] == [None, True]


def test_what_python_writes_for_a_missing_value_is_none(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text('{"text": "a", "label": NaN}\n')
    (rows,) = ItemFile(tmp_path / "f.jsonl").blocks()
    assert list(rows.labels or ()) == [None]


def test_what_is_inside_a_json_object_is_a_column_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(
        '{"ticket": {"body": "lost", "nr": "a"}, "tags": {"lang": {"code": "en"}}}\n'
        '{"ticket": {"nr": "b"}, "ticket.body": "its own key"}\n{"ticket": "none"}\n'
    )
    columns = Columns(text="ticket.body", id="ticket.nr", metadata=("tags.lang.code",))
    (rows,) = ItemFile(path, columns=columns).blocks()
    assert list(rows.texts) == ["lost", "its own key", None]
    assert list(rows.ids or ()) == ["a", "b", None]
    assert list(rows.metadata or ()) == [{"tags.lang.code": "en"}, {}, {}]
    with pytest.raises(
        UnknownColumnError, match=r"the columns are: ticket, tags, ticket\.body, ticket\.nr, tags\.lang\.code"
    ):
        list(ItemFile(path, columns=Columns(text="ticket.text")).blocks())


def test_a_missing_id_column_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("text\na\n")
    (rows,) = ItemFile(tmp_path / "f.csv").blocks()
    assert rows.ids == [None]


@pytest.mark.parametrize("name", ["empty.csv", "empty.jsonl", "empty.parquet"])
def test_empty_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    if name == "empty.jsonl":
        assert texts(ItemFile(tmp_path / name)) == []
    else:
        with pytest.raises(FileError):
            texts(ItemFile(tmp_path / name))


def test_the_format_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_bytes(b'text\none, "two"\n')
    with pytest.raises(FileError, match="A text a line is tsv"):
        ItemFile(tmp_path / "data.txt")
    assert texts(ItemFile(tmp_path / "data.txt", file_format="tsv")) == ['one, "two"']


@pytest.mark.parametrize("name", ["data.txt", "data.csv", "data", "data.tsv"])
def test_json_lines_are_known_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BOM_UTF8 + jsonl())
    assert len(texts(ItemFile(tmp_path / name))) == 2


def test_a_folder_is_no_file_of_items(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=f"{tmp_path} is a folder; give a file in it"):
        ItemFile(tmp_path)


def test_long_fields_are_read(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("text\n" + "x" * 1_000_000 + "\n")
    assert [len(text) for text in texts(ItemFile(tmp_path / "f.csv"))] == [1_000_000]


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_bytes(jsonl() * 20_000)
    items = ItemFile(tmp_path / "f.jsonl")
    seen = [items.fraction_read]
    for _ in items.blocks():
        seen.append(items.fraction_read)  # noqa: PERF401  (each is read between two blocks)
    fractions = [fraction for fraction in seen if fraction is not None]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)


WRITABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1)


@given(st.lists(WRITABLE, min_size=1, max_size=20))
def test_what_csv_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, written: list[str]) -> None:
    path = tmp_path_factory.mktemp("csv") / "f.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("id", "text"), *((i, text) for i, text in enumerate(written))])
    assert texts(ItemFile(path)) == written


@given(st.binary(max_size=300), st.sampled_from(["jsonl", "csv", "tsv", "parquet"]))
def test_any_bytes_give_rows_or_a_file_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, file_format: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "f"
    path.write_bytes(content)
    try:
        for rows in ItemFile(path, file_format=file_format).blocks():
            assert isinstance(rows, Rows)
    except (FileError, UnknownColumnError):
        pass


@pytest.mark.parametrize("name", ["tickets.json", "tickets.jsonl", "tickets.ndjson"])
def test_a_file_that_the_name_calls_json_and_is_none_is_said_to_be_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(delimited(","))
    with pytest.raises(FileError, match=r"the name says JSON, and none .* --format"):
        ItemFile(tmp_path / name)
    assert len(texts(ItemFile(tmp_path / name, file_format="csv"))) == len(ROWS)


def test_json_lines_of_which_the_first_is_malformed_are_read_from_the_second_on(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b"oops\n" + jsonl())
    assert texts(ItemFile(path)) == [row["text"] for row in ROWS]

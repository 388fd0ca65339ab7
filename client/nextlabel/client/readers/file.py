"""Items from a file of any known format."""

from collections.abc import Iterator
from pathlib import Path

from nextlabel.client.items import Columns, Rows
from nextlabel.client.readers.delimited import read_delimited
from nextlabel.client.readers.errors import FileError, LineProblem
from nextlabel.client.readers.jsonl import Record, read_jsonl
from nextlabel.client.readers.parquet import read_parquet
from nextlabel.client.readers.source import STDIN, ByteSource
from nextlabel.client.sources import BLOCK_ROWS, check_columns, record_rows, table_blocks

FORMATS = ("jsonl", "csv", "tsv", "parquet")

MAX_LISTED = 1_000
"""How many malformed lines are kept; all of them are counted."""

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}


class ItemFile:
    """The items of a JSON Lines, CSV, TSV or Parquet file, or of standard input ("-").

    gzip is recognised by its content. The format follows the name unless it is given; standard input is JSON
    Lines. Malformed lines are passed over: `problem_count` counts them and `problems` keeps the first of them.

    Raises FileError for an unknown format, and while it is read: TruncatedFileError for a file that ends in the
    middle, FileError for other damage, UnknownColumnError. What came before such an error was yielded.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        columns: Columns | None = None,
        file_format: str | None = None,
        encoding: str = "utf-8",
    ) -> None:
        self.columns = columns or Columns()
        self.problems: list[LineProblem] = []
        self.problem_count = 0
        self._format = file_format or _format_of(path)
        if self._format not in FORMATS:
            raise FileError(f"format: {self._format!r} is not one of {', '.join(FORMATS)}")
        self._encoding = encoding
        self._source = ByteSource(path)

    @property
    def is_columnar(self) -> bool:
        """Whether the file has rows, which count from 0, instead of lines."""
        return self._format == "parquet"

    @property
    def fraction_read(self) -> float | None:
        """How much of the file has been read, in [0, 1]; None when that is not known."""
        return None if self.is_columnar else self._source.fraction_read

    def blocks(self) -> Iterator[Rows]:
        """The items in blocks, once."""
        with self._source:
            if self.is_columnar:
                yield from table_blocks(read_parquet(self._source, self._column_names()), self.columns)
            else:
                yield from _record_blocks(self._records(), self.columns)

    def _records(self) -> Iterator[Record]:
        match self._format:
            case "jsonl":
                return read_jsonl(self._source, self._encoding, self._report)
            case "csv":
                return read_delimited(self._source, self._encoding, ",", self._report)
            case _:
                return read_delimited(self._source, self._encoding, "\t", self._report)

    def _report(self, problem: LineProblem) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_LISTED:
            self.problems.append(problem)

    def _column_names(self) -> list[str]:
        named = (self.columns.text, self.columns.id, self.columns.label, *self.columns.metadata)
        return [name for name in named if name is not None]


def _record_blocks(records: Iterator[Record], columns: Columns) -> Iterator[Rows]:
    checked = False
    for chunk in _chunks_before_error(records):
        if not checked:
            # Records of JSON Lines may lack some columns: those of the whole first block count.
            check_columns(dict.fromkeys(key for _, record in chunk for key in record), columns)
            checked = True
        yield record_rows([number for number, _ in chunk], [record for _, record in chunk], columns)


def _chunks_before_error(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Chunks of at most BLOCK_ROWS records; an error is raised after the records before it."""
    chunk: list[Record] = []
    try:
        for record in records:
            chunk.append(record)
            if len(chunk) == BLOCK_ROWS:
                yield chunk
                chunk = []
    except FileError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _format_of(path: str | Path) -> str:
    if str(path) == STDIN:
        return "jsonl"
    if Path(path).is_dir():
        raise FileError(f"{path} is a folder; give a file in it")
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    if not suffixes or suffixes[-1] not in _SUFFIXES:
        raise FileError(f"{path}: cannot tell the format by the name; say which it is: {', '.join(FORMATS)}")
    return _SUFFIXES[suffixes[-1]]

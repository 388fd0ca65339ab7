"""Items from a file of any known format."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nextlabel.client.items import Columns, Rows
from nextlabel.client.readers.delimited import DelimitedReader
from nextlabel.client.readers.dialects import SEPARATORS, Dialect, sniffed_dialect, uses_quotes
from nextlabel.client.readers.elsewhere import Tables, tables_elsewhere
from nextlabel.client.readers.errors import FileError, LineProblem, Record
from nextlabel.client.readers.excel import ExcelReader
from nextlabel.client.readers.formats import FORMATS, format_of
from nextlabel.client.readers.json_records import read_json
from nextlabel.client.readers.nested import nested_names, with_nested
from nextlabel.client.readers.parquet import read_parquet
from nextlabel.client.readers.source import ByteSource
from nextlabel.client.readers.text import TextSource
from nextlabel.client.readers.tool_exports import ANNOTATOR, LABEL, Tool, tool_of
from nextlabel.client.sources import BLOCK_ROWS, record_rows
from nextlabel.client.tables import Table, check_columns, table_blocks

MAX_LISTED = 1_000
"""How many malformed lines are kept; all of them are counted."""

_USUAL_SEPARATOR = {"csv": ",", "tsv": "\t"}


class ItemFile:
    """The items of a JSON Lines, JSON, CSV, TSV, Parquet, Arrow or Excel file, or of standard input ("-").

    Items elsewhere are read as well: a folder of Hugging Face datasets, one on the hub by "hf:NAME@SPLIT", and the
    rows of a query in place of the path, with the URL of a `database`. Exports of Label Studio, Argilla, Prodigy and
    doccano are recognised by their shape; they bring labels with their annotators, of which `tool` is the name.

    gzip is recognised by its content. What is not given is sniffed: the `file_format` by content and name, the
    `encoding` and `separator` (one character, or comma, semicolon, tab or pipe) by the beginning; `notes` says in
    words what was found that is not the usual, and `names` the columns that there are, both once the first block was
    read; in JSON these are the keys of that block, and "ticket.body" is a column too: the body inside a ticket. A file
    without a `header` has columns that are named by their numbers, from "1". `sheet` names that of a workbook, else it
    is the first.

    Malformed lines are passed over: `problem_count` counts them, `problems` keeps the first of them, and `on_problem`
    is told each one before the rows after it are yielded.

    Raises FileError for an unknown format, and while it is read: TruncatedFileError for a file that ends in the
    middle, FileError for other damage, UnknownColumnError. What came before such an error was yielded.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        columns: Columns | None = None,
        file_format: str | None = None,
        encoding: str | None = None,
        separator: str | None = None,
        header: bool = True,
        sheet: str | None = None,
        database: str | None = None,
        on_problem: Callable[[LineProblem], None] = lambda _: None,
    ) -> None:
        self.columns = columns or Columns()
        self._on_problem = on_problem
        self.problems: list[LineProblem] = []
        self.problem_count = 0
        self.notes: list[str] = []
        self.names: list[str] = []
        self._encoding = encoding
        self._separator = _separator(separator)
        self._has_header = header
        self._sheet = sheet
        if file_format is not None and file_format not in FORMATS:
            raise FileError(f"format: {file_format!r} is not one of {', '.join(FORMATS)}")
        self.tool: str | None = None
        self._tables = tables_elsewhere(path, database)
        if self._tables is None:
            self._source = ByteSource(path)
            self._format = file_format or format_of(path, self._source.head())
        self._blocks = self._read() if self._tables is None else self._table_blocks(self._tables)
        self._prepared: list[Rows] = []

    @property
    def unit(self) -> str:
        """What the numbers of rows count: a "line", or a "row"; those of Parquet count from 0."""
        return "row" if self._tables is not None or self._format in ("parquet", "xlsx") else "line"

    @property
    def malformed(self) -> list[str]:
        """What is wrong with the lines that are kept in `problems`, each with its number."""
        return [f"{self.unit} {problem.line}: {problem.message}" for problem in self.problems]

    @property
    def fraction_read(self) -> float | None:
        """How much of the file has been read, in [0, 1]; None when that is not known."""
        return None if self.unit == "row" else self._source.fraction_read

    def prepare(self) -> None:
        """Read the first block, which `blocks` yields later: what is wrong from the start is raised before any work."""
        if not self._prepared:
            self._prepared = [rows for rows in (next(self._blocks, None),) if rows is not None]

    def blocks(self) -> Iterator[Rows]:
        """The items in blocks, once."""
        yield from self._prepared
        yield from self._blocks

    def _read(self) -> Iterator[Rows]:
        with self._source:
            match self._format:
                case "parquet":
                    yield from table_blocks(read_parquet(self._source, self.columns, self._found), self.columns)
                case "xlsx":
                    yield from self._excel_blocks()
                case "jsonl":
                    yield from self._json_blocks()
                case _:
                    yield from self._delimited_blocks(_USUAL_SEPARATOR[self._format])

    def _table_blocks(self, tables: Tables) -> Iterator[Rows]:
        yield from table_blocks(map(self._seen, tables()), self.columns)

    def _seen(self, table: Table) -> Table:
        if not self.names:
            self._found(table.names)
        return table

    def _text(self) -> TextSource:
        text = TextSource(self._source, self._encoding)
        if self._encoding is None and text.encoding != "utf-8":
            self.notes.append(text.encoding)
        return text

    def _json_blocks(self) -> Iterator[Rows]:
        checked, wanted = False, self.columns.names
        tool: Tool | None = None
        for chunk in _chunks_before_error(read_json(self._text(), self._report)):
            if not checked:
                tool = self._recognised(chunk[0][1])
            if tool is not None:
                chunk = [(number, row) for number, record in chunk for row in self._tool_rows(tool, number, record)]
            if not checked:
                # Objects may lack some keys: those of the whole first block count.
                self._found(
                    dict.fromkeys(key for _, record in chunk for key in record),
                    nested_names(record for _, record in chunk),
                )
                checked = True
            rows = _rows([(number, with_nested(record, wanted)) for number, record in chunk], self.columns)
            if tool is None:
                yield rows
            else:
                labels = [record[LABEL] for _, record in chunk]
                annotators = [record[ANNOTATOR] for _, record in chunk]
                yield from _parts(replace(rows, labels=labels, annotators=annotators))

    def _recognised(self, record: Mapping[str, Any]) -> Tool | None:
        """The tool whose export this is, said in `notes`."""
        tool = tool_of(record)
        if tool is not None:
            self.tool = tool.name
            self.notes.append(f"an export of {tool.name}, people's labels with their annotators")
        return tool

    def _tool_rows(self, tool: Tool, number: int, record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        if tool.recognises(record):
            return tool.rows(record)
        self._report(LineProblem(number, f"not a record of {tool.name}, as the first one is"))
        return ()

    def _delimited_blocks(self, usual: str) -> Iterator[Rows]:
        text = self._text()
        dialect = self._dialect(text, usual)
        if self._separator is None and dialect.separator != usual:
            self.notes.append(str(dialect))
        reader = DelimitedReader(text, dialect, self._report, has_header=self._has_header)
        self._found(reader.header)
        for chunk in _chunks_before_error(reader.records()):
            yield _rows(chunk, self.columns)

    def _dialect(self, text: TextSource, usual: str) -> Dialect:
        lines = text.head_lines
        if self._separator is not None:
            return Dialect(self._separator, quoted=uses_quotes(lines, self._separator))
        return sniffed_dialect(lines, usual, self.columns.names)

    def _excel_blocks(self) -> Iterator[Rows]:
        reader = ExcelReader(self._source, self._sheet, has_header=self._has_header)
        if self._sheet is None and len(reader.sheets) > 1:
            self.notes.append(f"sheet {reader.sheet!r} of {len(reader.sheets)}")
        self._found(reader.header)
        for chunk in _chunks_before_error(reader.records()):
            yield _rows([(number, self._with_text(record)) for number, record in chunk], self.columns)

    def _with_text(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        # A spreadsheet makes a number of every text that looks like one.
        value = record.get(self.columns.text)
        return {**record, self.columns.text: str(value)} if isinstance(value, int | float) else record

    def _found(self, names: Iterable[str], nested: Iterable[str] = ()) -> None:
        self.names = list(names)
        check_columns([*self.names, *(name for name in nested if name not in self.names)], self.columns)

    def _report(self, problem: LineProblem) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_LISTED:
            self.problems.append(problem)
        self._on_problem(problem)


def _rows(chunk: Sequence[Record], columns: Columns) -> Rows:
    return record_rows([number for number, _ in chunk], [record for _, record in chunk], columns)


def _parts(rows: Rows) -> Iterator[Rows]:
    """Blocks of the allowed size: one record of a tool may be several rows."""
    return (rows.part(start, start + BLOCK_ROWS) for start in range(0, len(rows), BLOCK_ROWS))


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


def _separator(given: str | None) -> str | None:
    if given is None:
        return None
    separator = SEPARATORS.get(given, given)
    if len(separator) != 1 or separator in '"\r\n':
        raise FileError(f"separator: expected one character, or one of {', '.join(SEPARATORS)}, got {given!r}")
    return separator

"""CSV and TSV with a header line."""

import csv
from collections.abc import Callable, Iterator

from nextlabel.client.readers.errors import FileError, LineProblem, TruncatedFileError
from nextlabel.client.readers.jsonl import Record
from nextlabel.client.readers.source import ByteSource, is_text

MAX_FIELD_CHARS = 8 * 2**20
"""Longest field; the csv module's own limit of 131,072 is less than a long document."""


def read_delimited(
    source: ByteSource, encoding: str, delimiter: str, report: Callable[[LineProblem], None]
) -> Iterator[Record]:
    """The records with the numbers of their last lines, by the names in the header.

    Quoted fields may hold delimiters and line ends. Empty lines are passed over; a record with another number
    of fields than the header, bad quotes, or bytes that are no text is reported. Raises FileError without a
    usable header, TruncatedFileError when the file ends inside a record, after the records before it.
    """
    csv.field_size_limit(MAX_FIELD_CHARS)
    lines = _LastLine(source.lines(encoding))
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(rows, source.name)
    while True:
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise TruncatedFileError(
                    f"{source.name} ends inside a quoted field; copy or download it again"
                ) from None
            report(LineProblem(rows.line_num, f"not valid CSV: {error}"))
            continue
        if not fields:
            continue
        problem = _problem(fields, header, encoding)
        if problem is None:
            yield rows.line_num, dict(zip(header, fields, strict=True))
        elif len(fields) < len(header) and not lines.last.endswith("\n"):
            raise TruncatedFileError(
                f"{source.name} ends in the middle of line {rows.line_num}; copy or download it again"
            )
        else:
            report(LineProblem(rows.line_num, problem))


class _LastLine:
    """Lines, remembering the last one."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.last = next(self._lines)
        return self.last


def _header(rows: Iterator[list[str]], name: str) -> list[str]:
    try:
        header = next(rows, None)
    except csv.Error as error:
        raise FileError(f"{name}: the header is not valid CSV: {error}") from None
    if not header:
        raise FileError(f"{name} is empty; its first line has to name the columns")
    repeated = sorted({column for column in header if header.count(column) > 1})
    if repeated:
        raise FileError(f"{name}: the header names {', '.join(map(repr, repeated))} more than once")
    return header


def _problem(fields: list[str], header: list[str], encoding: str) -> str | None:
    if len(fields) != len(header):
        return f"{len(fields)} fields, but the header names {len(header)}"
    if not all(map(is_text, fields)):
        return f"it is not valid {encoding}; pass the encoding of the file"
    return None

"""Delimited text with a header line: CSV, TSV and their kin."""

import csv
from collections.abc import Callable, Iterator, Sequence

from nextlabel.client.readers.dialects import Dialect
from nextlabel.client.readers.errors import FileError, LineProblem, Record, TruncatedFileError
from nextlabel.client.readers.text import TextSource
from nextlabel.client.row_checks import is_unicode

MAX_FIELD_CHARS = 8 * 2**20
"""Longest field; the csv module's own limit of 131,072 is less than a long document."""


class DelimitedReader:
    """The records of a text by the names in its header, each with the number of its first line.

    Quoted fields may hold separators and line ends. Empty lines are passed over; a record with another number of
    fields than the header, bad quotes, or bytes that are no text is reported, and the lines after it are read.

    A last line with too few fields and without a line end is how a file looks that was cut off. It is taken as whole,
    and reported as other records are, where gzip says that nothing is missing, or an earlier line has as few fields.
    """

    def __init__(
        self, text: TextSource, dialect: Dialect, report: Callable[[LineProblem], None], *, has_header: bool = True
    ) -> None:
        csv.field_size_limit(MAX_FIELD_CHARS)
        self._text = text
        self._report = report
        self._lines = _Lines(text.lines())
        self._rows = iter(dialect.records(self._lines))
        self._first: list[str] | None = None
        self._fewest_fields: int | None = None
        self.header = self._read_header() if has_header else self._numbered_header()

    def records(self) -> Iterator[Record]:
        """The records, once. Raises TruncatedFileError when the file ends inside one, after those before it."""
        if self._first is not None:
            yield 1, self._record(self._first)
        while True:
            self._lines.mark()
            try:
                fields = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                self._pass_over(error)
                continue
            if not fields:
                continue
            problem = self._problem(fields)
            if problem is None:
                yield self._lines.first, self._record(fields)
            elif self._is_cut_off(fields):
                raise TruncatedFileError(
                    f"{self._text.name} ends in the middle of line {self._lines.first}; copy or download it again, or "
                    "end that line if it is whole"
                )
            else:
                self._fewest_fields = min(len(fields), self._fewest_fields or len(fields))
                told = {name: value for name, value in self._record(fields).items() if is_unicode(value)}
                self._report(LineProblem(self._lines.first, problem + self._lines.extent, told))

    def _is_cut_off(self, fields: Sequence[str]) -> bool:
        if len(fields) >= len(self.header) or self._lines.are_whole or self._text.is_known_whole:
            return False
        return self._fewest_fields is None or len(fields) < self._fewest_fields

    def _record(self, fields: Sequence[str]) -> dict[str, str]:
        return dict(zip(self.header, fields, strict=False))

    def _pass_over(self, error: csv.Error) -> None:
        first = self._lines.first
        if "unexpected end of data" in str(error):
            raise TruncatedFileError(
                f"{self._text.name} ends inside a quoted field, in the record that begins in line {first}; close the "
                "quotes, or copy or download it again"
            ) from None
        # A quote that nobody closed has swallowed the lines after it. Where there is one column, though, any part of a
        # text of several lines would look like a record.
        if len(self.header) > 1:
            self._lines.give_back_all_but_the_first()
        self._report(LineProblem(first, f"not valid CSV: {error}{self._lines.extent}"))

    def _problem(self, fields: Sequence[str]) -> str | None:
        # Spreadsheets write separators for empty cells beyond the last column.
        if len(fields) < len(self.header) or any(fields[len(self.header) :]):
            return f"{len(fields)} fields, but the header names {len(self.header)}"
        if not all(map(is_unicode, fields)):
            return f"it is not valid {self._text.encoding}; pass the encoding of the file"
        return None

    def _read_header(self) -> list[str]:
        try:
            header = next(self._rows, None)
        except csv.Error as error:
            raise FileError(f"{self._text.name}: the header is not valid CSV: {error}") from None
        if not header:
            raise FileError(f"{self._text.name} is empty; its first line has to name the columns")
        return [name.strip() for name in header]

    def _numbered_header(self) -> list[str]:
        try:
            self._first = next(self._rows, [])
        except csv.Error as error:
            raise FileError(f"{self._text.name}: line 1 is not valid CSV: {error}") from None
        return [str(number) for number in range(1, len(self._first) + 1)]


class _Lines:
    """Lines with their numbers; those since the last mark can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: list[str] = []
        self._since: list[str] = []
        self._number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.pop() if self._returned else next(self._lines)
        self._number += 1
        self._since.append(line)
        return line

    def mark(self) -> None:
        """A record begins."""
        self._since.clear()

    def give_back_all_but_the_first(self) -> None:
        """The lines after the first one since the mark come again."""
        self._returned += self._since[:0:-1]
        self._number -= len(self._since) - 1
        del self._since[1:]

    @property
    def first(self) -> int:
        """The number of the first line since the mark."""
        return self._number - len(self._since) + 1

    @property
    def are_whole(self) -> bool:
        """Whether the last line has its line end."""
        return self._since[-1].endswith(("\n", "\r"))

    @property
    def extent(self) -> str:
        """Up to which line the record goes, when it has several."""
        return f" (it goes up to line {self._number})" if len(self._since) > 1 else ""

"""Excel workbooks, through openpyxl."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from nextlabel.client.readers.errors import FileError, Record
from nextlabel.client.readers.source import ByteSource

if TYPE_CHECKING:
    from openpyxl import Workbook


class ExcelReader:
    """The rows of one sheet by the names in its first row, each with its number in the sheet.

    Raises FileError without openpyxl, for a file that is no workbook or is damaged, and for a sheet that is not there.
    """

    def __init__(self, source: ByteSource, sheet: str | None, *, has_header: bool = True) -> None:
        self._name = source.name
        workbook = _open(source)
        self.sheets: list[str] = workbook.sheetnames
        self.sheet = sheet or self.sheets[0]
        if self.sheet not in self.sheets:
            raise FileError(f"{self._name} has no sheet {sheet!r}; its sheets are: {', '.join(self.sheets)}")
        self._rows = enumerate(workbook[self.sheet].iter_rows(values_only=True), start=1)
        first = self._next_row()
        if first is None:
            raise FileError(f"sheet {self.sheet!r} of {self._name} is empty; its first row has to name the columns")
        self._first = None if has_header else first
        cells = first[1] if has_header else range(1, len(first[1]) + 1)
        self.header = ["" if cell is None else str(cell).strip() for cell in cells]

    def records(self) -> Iterator[Record]:
        """The rows that are not empty, once."""
        row = self._first or self._next_row()
        while row is not None:
            number, cells = row
            if any(cell is not None for cell in cells):
                yield number, dict(zip(self.header, cells, strict=False))
            row = self._next_row()

    def _next_row(self) -> tuple[int, Sequence[Any]] | None:
        try:
            return next(self._rows, None)
        except _DAMAGED as error:
            raise _damaged(self._name, error) from None


# What openpyxl, zipfile and the XML parser make of a damaged workbook.
_DAMAGED = (BadZipFile, KeyError, ValueError, TypeError, SyntaxError, EOFError, OSError, AttributeError, IndexError)


def _open(source: ByteSource) -> "Workbook":
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise FileError("reading Excel workbooks needs openpyxl: pip install 'nextlabel[excel]'") from None
    try:
        return load_workbook(source.seekable(), read_only=True, data_only=True)
    except _DAMAGED as error:
        raise _damaged(source.name, error) from None


def _damaged(name: str, error: Exception) -> FileError:
    return FileError(f"{name} is no Excel workbook (.xlsx) or is damaged ({error}); copy or save it again")

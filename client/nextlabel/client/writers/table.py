"""Rows of named columns into a file, in the form that its ending names."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nextlabel.client.readers.errors import FileError
from nextlabel.client.writers.arrow import check_dataset_folder, write_arrow, write_dataset_folder, write_parquet
from nextlabel.client.writers.cells import cell, json_of
from nextlabel.client.writers.replacing import replacing

Row = Mapping[str, Any]

MAX_SHEET_ROWS = 1_048_575
"""Rows of an Excel sheet under its header."""


def check_ending(path: Path) -> None:
    """Check that there is a writer for the ending of a file, or that its name, which has none, can be a folder.

    Raises FileError, naming the endings that there are, and what is missing for a folder.
    """
    if path.suffix:
        _writer_of(path)
    else:
        check_dataset_folder(path)


def write_table(path: Path, names: Sequence[str], rows: Iterable[Row]) -> int:
    """Write rows with these columns, in this order; a missing value is empty. Returns how many rows there were.

    A name without an ending is a folder of Hugging Face `datasets`. The file is there whole or not at all. Text that
    a spreadsheet would take for a formula gets an apostrophe before it in CSV and Excel.

    Raises FileError for an ending without a writer, a missing package, or more rows than a sheet can hold.
    """
    if not path.suffix:
        return write_dataset_folder(path, names, rows)
    write = _writer_of(path)
    with replacing(path) as beside:
        return write(beside, names, rows)


def _writer_of(path: Path) -> Callable[[Path, Sequence[str], Iterable[Row]], int]:
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise FileError(
            f"{path}: the ending says the form; give one of {', '.join(_WRITERS)}, or none for a folder of datasets"
        )
    return writer


def _write_csv(path: Path, names: Sequence[str], rows: Iterable[Row], separator: str = ",") -> int:
    # The mark tells spreadsheets that the file is in UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(map(cell, names))
        return _counted(rows, lambda row: writer.writerow([cell(row.get(name)) for name in names]))


def _write_jsonl(path: Path, names: Sequence[str], rows: Iterable[Row]) -> int:
    with path.open("w", encoding="utf-8") as file:
        return _counted(rows, lambda row: file.write(json_of({n: row.get(n) for n in names}) + "\n"))


def _write_excel(path: Path, names: Sequence[str], rows: Iterable[Row]) -> int:
    try:
        from openpyxl import Workbook
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    except ImportError:
        raise FileError("writing Excel workbooks needs openpyxl: pip install 'nextlabel[excel]'") from None
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("labels")
    sheet.append([cell(name) for name in names])

    def add(row: Row) -> None:
        cells = [cell(row.get(name)) for name in names]
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell for cell in cells])

    written = _counted(rows, add, MAX_SHEET_ROWS)
    workbook.save(path)
    return written


_WRITERS: dict[str, Callable[[Path, Sequence[str], Iterable[Row]], int]] = {
    ".csv": _write_csv,
    ".tsv": partial(_write_csv, separator="\t"),
    ".jsonl": _write_jsonl,
    ".xlsx": _write_excel,
    ".parquet": write_parquet,
    ".arrow": write_arrow,
}


def _counted(rows: Iterable[Row], write: Callable[[Row], Any], most: int | None = None) -> int:
    count = 0
    for row in rows:
        if count == most:
            raise FileError(f"a sheet holds {most:,} rows; write .csv or .parquet instead")
        write(row)
        count += 1
    return count

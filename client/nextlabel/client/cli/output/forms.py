"""Results on stdout: a table for people, JSON and CSV for machines."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nextlabel.client.cli.output.terminal import printable

Record = Mapping[str, Any]
TableColumns = Mapping[str, Callable[[Record], Any]]
"""Header of each column of a table, and what stands in it."""


class Output(StrEnum):
    """Forms of a result."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Form of the result on stdout.")]


def emit_many(
    records: Iterable[Record], columns: TableColumns, output: Output, *, none: str = "there are none"
) -> None:
    """Print records: a table, a JSON array, a line of JSON for each as it comes, or a line of CSV for each.

    Of a table without rows people are told what `none` says, best with the command that makes some.
    """
    match output:
        case Output.JSONL:
            for record in records:
                _print_json(record)
        case Output.JSON:
            _print_json(list(records), indent=2)
        case Output.CSV:
            _print_csv(records)
        case Output.TABLE:
            _print_table(records, columns, none)


def emit_one(record: Record, output: Output, *, shown: Record | None = None) -> None:
    """Print one record; a table shows the fields of `shown`, or of the record, one a line."""
    if output is Output.TABLE:
        _print_fields(record if shown is None else shown)
    elif output is Output.CSV:
        _print_csv([record])
    else:
        _print_json(record, indent=2 if output is Output.JSON else None)


def emit_now(record: Record) -> None:
    """Print one record as a line of JSON, without waiting for more."""
    _print_json(record)
    sys.stdout.flush()


def _print_json(value: Any, *, indent: int | None = None) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")


def _print_csv(records: Iterable[Record]) -> None:
    """The fields of all records as columns; those of records in them get names with points between."""
    from nextlabel.client.export.tables import flat
    from nextlabel.client.writers.cells import cell

    rows = [dict(flat(record)) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    # JSON escapes what would steer a terminal, and CSV cannot.
    shown = printable if sys.stdout.isatty() else str
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        values = (cell(row.get(name)) for name in names)
        writer.writerow(shown(value) if isinstance(value, str) else value for value in values)


def _print_table(records: Iterable[Record], columns: TableColumns, none: str) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for record in records:
        table.add_row(*(_cell(column(record)) for column in columns.values()))
    _console().print(table)
    if not table.rows:
        typer.echo(printable(none), err=True)


def _print_fields(record: Record) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in record.items():
        if value not in (None, "", [], {}):
            table.add_row(Text(name, style="bold"), _cell(value))
    _console().print(table)


def _cell(value: Any) -> Text:
    # Text, not markup: what users and models wrote must not be taken for styles.
    if value is None:
        return Text("–")
    if isinstance(value, dict | list):
        return Text(printable(json.dumps(value, ensure_ascii=False)))
    return Text(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else printable(str(value)))


def _console() -> Console:
    # A pipe has no width; cells must not be cut there.
    return Console(width=None if sys.stdout.isatty() else 1_000)

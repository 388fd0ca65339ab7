"""Columns by role from tables of any make: which column is meant, and what its rows hold."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.client.items import WRITTEN, Columns, Rows, is_written


class UnknownColumnError(ValueError):
    """A column was named that the source does not have, or has more than once; `role` says what it was to hold."""

    def __init__(self, column: str, available: Sequence[str], role: str) -> None:
        self.role = role
        if (times := list(available).count(column)) > 1:
            super().__init__(f"{role}: there are {times} columns {column!r}; rename all but one")
        else:
            listed = ", ".join(map(_shown, available)) or "none"
            super().__init__(f"{role}: there is no column {column!r}; the columns are: {listed}")


def _shown(name: str) -> str:
    # What nobody sees, or would take for two names, stands in quotes.
    return name if name and name == name.strip() and "," not in name else repr(name)


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows by column: the names, which may repeat, and what a column holds, by its position."""

    names: Sequence[str]
    length: int
    column: Callable[[int], Sequence[Any]]


def table_blocks(tables: Iterable[Table], columns: Columns) -> Iterator[Rows]:
    """The rows of tables that all have the same columns, each a block long.

    Raises UnknownColumnError when a table lacks a column that is required, or has a chosen one more than once.
    """
    first = 0
    for table in tables:
        check_columns(table.names, columns)
        if table.length:
            yield Rows(
                numbers=range(first, first + table.length),
                texts=_column(table, columns.text) or [None] * table.length,
                ids=_column(table, columns.id),
                labels=_column(table, columns.label),
                metadata=_metadata(table, columns.metadata),
                pairs=_pairs(table, columns.pair),
            )
        first += table.length


def check_columns(available: Iterable[str], columns: Columns) -> None:
    """Raise UnknownColumnError when a column that is required is missing, or a chosen one is there more than once."""
    available = list(available)
    roles = {"text": columns.text, "id": columns.id, "label": columns.label}
    listed = [*(("metadata", name) for name in columns.metadata), *(("pair", name) for name in columns.pair or ())]
    for role, name in [*roles.items(), *listed]:
        required = (role, name) in listed or role in columns.required
        if available.count(name or "") > 1 or (required and name not in available):
            raise UnknownColumnError(name or "", available, role)
    if columns.pair is None and columns.text not in available and columns.id not in available:
        raise UnknownColumnError(columns.text, available, "text")


def _column(table: Table, name: str | None) -> Sequence[Any] | None:
    return table.column(table.names.index(name)) if name is not None and name in table.names else None


def _pairs(table: Table, names: tuple[str, str] | None) -> list[tuple[Any, Any]] | None:
    if names is None:
        return None
    a, b = (table.column(table.names.index(name)) for name in names)
    return list(zip(a, b, strict=True))


def _metadata(table: Table, names: tuple[str, ...]) -> list[dict[str, Any]] | None:
    marks = [is_written(value) for value in _column(table, WRITTEN) or ()]
    if not names and not any(marks):
        return None
    chosen = [table.column(table.names.index(name)) for name in names]
    found = [{name: values[row] for name, values in zip(names, chosen, strict=True)} for row in range(table.length)]
    for row in (row for row, marked in enumerate(marks) if marked):
        found[row][WRITTEN] = True
    return found

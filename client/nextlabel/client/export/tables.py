"""Rows whose columns are not known beforehand, into a file."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nextlabel.client.writers.table import write_table

_WITHOUT_LISTS = (".csv", ".tsv", ".xlsx")


def exported_rows(parts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The rows of an export of JSON Lines; what is nested gets the names of where it stands, with points between."""
    for part in parts:
        for line in part.splitlines():
            yield dict(flat(json.loads(line)))


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows in the form that the name of the file says; returns how many there were.

    The columns are those of all rows, in the order in which they are met. The rows wait on disk until all are there.
    Raises what `write_table` raises.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as kept:
        names: dict[str, None] = {}
        for row in rows:
            names |= dict.fromkeys(row)
            kept.write(json.dumps(row) + "\n")
        kept.seek(0)
        return write_table(path, list(names), with_label_texts(path, map(json.loads, kept)))


def with_label_texts(
    path: Path, rows: Iterable[Mapping[str, Any]], column: str = "label"
) -> Iterable[Mapping[str, Any]]:
    """The rows as the form of the file holds them: where it has no lists, several labels are one text.

    It is one that is read back as known labels; that no label applies is the separator alone.

    >>> list(with_label_texts(Path("a.csv"), [{"label": ["a", "b"]}, {"label": []}, {"label": None}]))
    [{'label': 'a|b'}, {'label': '|'}, {'label': None}]
    """
    if path.suffix.lower() not in _WITHOUT_LISTS:
        return rows
    from nextlabel.client.messages.answers import LABEL_SEPARATOR

    def with_text(row: Mapping[str, Any]) -> Mapping[str, Any]:
        label = row.get(column)
        # An empty cell would say that nobody has labeled the item.
        return {**row, column: LABEL_SEPARATOR.join(label) or LABEL_SEPARATOR} if isinstance(label, list) else row

    return map(with_text, rows)


def flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a record; those of records in it get the names of where they stand, with points between.

    >>> dict(flat({"id": 1, "cost": {"labels": 2}}))
    {'id': 1, 'cost.labels': 2}
    """
    for key, value in record.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value

"""What a project knows as rows of a table: one an item, or one an annotation."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextlabel.client.writers.table import write_table

if TYPE_CHECKING:
    from nextlabel.client import ProjectHandle
    from nextlabel.client.transport.modes import Blocking

Row = dict[str, Any]

_LINES = ".jsonl"


def item_rows(project: "ProjectHandle[Blocking]", *, trusted_only: bool) -> Iterator[Row]:
    """Each item with what it stands for: its label, how sure it is, where the item stands, and its metadata.

    The label of items that evaluate or check is the known one that they came with.
    """
    from nextlabel.client.messages.plain import plain

    for detail in project.pool.list():
        found = plain(detail)
        consensus = found["consensus"] or {}
        if trusted_only and not consensus.get("trusted"):
            continue
        item, need = found["item"], found["need"] or {}
        row: Row = {
            "id": item["id"],
            "text": item["text"],
            "label": consensus["answer"] if consensus else item["reference"],
            "confidence": consensus.get("confidence"),
            "vote_share": consensus.get("probability"),
            "trusted": consensus.get("trusted"),
            "annotations": consensus.get("annotation_count", 0),
            "split": item["split"],
            "state": found["state"],
            "needs_another": need.get("reason"),
        }
        taken = set(row)
        for key, value in (item["metadata"] or {}).items():
            row[f"metadata.{key}" if key in taken else key] = value
        yield row


def exported_rows(parts: Iterator[bytes]) -> Iterator[Row]:
    """The rows of an export of JSON Lines; what is nested gets the names of where it stands, with points between."""
    for part in parts:
        for line in part.splitlines():
            yield dict(_flat(json.loads(line)))


def write_rows(path: Path, rows: Callable[[], Iterator[Row]]) -> int:
    """Write rows in the form that the ending of the file names; returns how many there were.

    They are read twice, as the columns of a table are those of all of its rows.
    """
    names = dict.fromkeys(name for row in rows() for name in row)
    if path.suffix.lower() == _LINES:
        return write_table(path, list(names), rows())
    return write_table(path, list(names), map(_with_one_label, rows()))


def _with_one_label(row: Row) -> Row:
    from nextlabel.client.messages.answers import LABEL_SEPARATOR

    label = row.get("label")
    return {**row, "label": LABEL_SEPARATOR.join(label)} if isinstance(label, list) else row


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value

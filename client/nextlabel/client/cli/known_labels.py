"""Known labels from a file, for the replay annotator."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nextlabel.client.cli.problems import list_problems, say
from nextlabel.client.items import Rows, content_id
from nextlabel.client.readers.file import ItemFile

if TYPE_CHECKING:
    from nextlabel.client import Client


def upload_known_labels(client: "Client", project: str, label_set: str, known: ItemFile) -> None:
    """Upload the labels of a file as a set; says on stderr how many, and what was passed over."""
    response = client.labeling.upload_replay_labels(project, label_set, labeled_ids(known))
    list_problems((f"line {p.line}: {p.message}" for p in known.problems), known.problem_count, "malformed lines")
    list_problems((f"item {e.item_id}: {e.message}" for e in response.errors), response.rejected, "labels not taken")
    say(f"{response.accepted + response.duplicates:,} known labels in set {label_set!r}")


def labeled_ids(known: ItemFile) -> Iterator[tuple[str, Any]]:
    """The ids and labels of the items that have a label; ids as they get when the file is added to a pool."""
    for rows in known.blocks():
        for i, item_id in enumerate(row_ids(rows)):
            if rows.labels is not None and rows.labels[i] not in (None, ""):
                yield item_id, rows.labels[i]


def row_ids(rows: Rows) -> list[str]:
    """The id of each row: its own, or that of its text."""
    ids = rows.ids or [None] * len(rows)
    return [
        str(item_id) if item_id not in (None, "") else content_id(str(text))
        for item_id, text in zip(ids, rows.texts, strict=True)
    ]

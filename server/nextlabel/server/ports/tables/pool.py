"""Rows, uploads and references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.pool import ReferenceItem, Segment, Split


class PoolTable(Protocol):
    """Which rows are committed, where uploads stand, what is deleted or reserved for evaluation."""

    def lock(self, project: ProjectId) -> None:
        """Serialise ingest of one project until the transaction ends."""
        ...

    def committed_rows(self, project: ProjectId) -> int:
        """Return the number of rows ever committed: the next free row."""
        ...

    def add_segment(self, segment: Segment) -> None:
        """Commit rows ``[first_row, first_row + row_count)``."""
        ...

    def segments(self, project: ProjectId, embedded: bool | None = None) -> Sequence[Segment]:
        """Return the segments in row order, optionally only those (not) embedded."""
        ...

    def awaiting(self) -> Mapping[ProjectId, int]:
        """Return how many rows of each project are in segments that are not embedded, of projects that have some."""
        ...

    def mark_embedded(self, project: ProjectId, first_row: int) -> None:
        """Record that the segment's embeddings are durable."""
        ...

    def embedded_up_to(self, project: ProjectId, row: int) -> None:
        """Mark segments that begin below a row as embedded, and all others as waiting."""
        ...

    def acknowledged(self, project: ProjectId, upload: str) -> int:
        """Return the last sequence acknowledged for an upload; 0 before the first."""
        ...

    def acknowledge(self, project: ProjectId, upload: str, sequence: int, at: datetime) -> None:
        """Record the last sequence of an upload that is durable."""
        ...

    def add_references(self, project: ProjectId, items: Sequence[ReferenceItem]) -> None:
        """Add holdout or gold items with their trusted labels."""
        ...

    def references(self, project: ProjectId, split: Split | None = None) -> Sequence[ReferenceItem]:
        """Return holdout and gold items by row."""
        ...

    def delete_rows(self, project: ProjectId, rows: Sequence[int], at: datetime) -> None:
        """Mark rows as deleted, for good; forget their references.

        The deletion gets the project's next number; deletions become visible in the order of their numbers.
        """
        ...

    def deleted_rows(self, project: ProjectId, rows: Sequence[int] | None = None) -> Sequence[int]:
        """Return the deleted rows, ascending: all, or those among the given ones."""
        ...

    def last_deletion(self, project: ProjectId) -> int:
        """Return the number of the newest deletion, 0 for none: one look into an index, for who follows them."""
        ...

    def deleted_after(self, project: ProjectId, deletion: int) -> Sequence[int]:
        """Return the rows of deletions with a higher number, ascending."""
        ...

    def put_replay_labels(self, project: ProjectId, label_set: str, labels: Sequence[tuple[str, str]]) -> None:
        """Store (item id, label) pairs of a named set; a repeated id replaces."""
        ...

    def replay_sets(self, project: ProjectId) -> Sequence[str]:
        """Return the names of the sets that hold labels, ascending."""
        ...

    def replay_labels(
        self, project: ProjectId, label_set: str, item_ids: Sequence[str] | None = None
    ) -> dict[str, str]:
        """Return the labels of a set, of all its items or of the given ones."""
        ...

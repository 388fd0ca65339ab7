"""Committed rows, uploads, references and replay labels in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from typing_extensions import override

from nextlabel.server.ports.tables.pool import PoolTable
from nextlabel.server.values.errors import Aborted
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.pool import ReferenceItem, Segment, Split
from tests.memory_store.contents import Contents


class MemoryPool(PoolTable):
    """Which rows are committed, where uploads stand, what is deleted or reserved for evaluation."""

    def __init__(self, contents: Contents) -> None:
        self._all = contents

    @override
    def lock(self, project: ProjectId) -> None:
        """Units of work already run one at a time."""

    @override
    def committed_rows(self, project: ProjectId) -> int:
        return max((s.first_row + s.row_count for s in self.segments(project)), default=0)

    @override
    def add_segment(self, segment: Segment) -> None:
        self._all.require(segment.project)
        key = (segment.project, segment.first_row)
        if key in self._all.segments:
            raise Aborted("a segment at this row was added by a concurrent call")
        self._all.segments[key] = segment

    @override
    def segments(self, project: ProjectId, embedded: bool | None = None) -> Sequence[Segment]:
        found = [s for s in self._all.segments.values() if s.project == project and embedded in (None, s.embedded)]
        return sorted(found, key=lambda s: s.first_row)

    @override
    def awaiting(self) -> Mapping[ProjectId, int]:
        found: Counter[ProjectId] = Counter()
        for segment in self._all.segments.values():
            if not segment.embedded:
                found[segment.project] += segment.row_count
        return found

    @override
    def mark_embedded(self, project: ProjectId, first_row: int) -> None:
        key = (project, first_row)
        if key not in self._all.segments:
            raise Aborted("the segment was removed by a concurrent call")
        self._all.segments[key] = replace(self._all.segments[key], embedded=True)

    @override
    def embedded_up_to(self, project: ProjectId, row: int) -> None:
        for key, segment in self._all.segments.items():
            if segment.project == project:
                self._all.segments[key] = replace(segment, embedded=segment.first_row < row)

    @override
    def acknowledged(self, project: ProjectId, upload: str) -> int:
        return self._all.uploads.get((project, upload), 0)

    @override
    def acknowledge(self, project: ProjectId, upload: str, sequence: int, at: datetime) -> None:
        self._all.require(project)
        self._all.uploads[project, upload] = sequence

    @override
    def add_references(self, project: ProjectId, items: Sequence[ReferenceItem]) -> None:
        self._all.require(project)
        for item in items:
            if (project, item.row) in self._all.references:
                raise Aborted("a reference at this row was added by a concurrent call")
            self._all.references[project, item.row] = item

    @override
    def references(self, project: ProjectId, split: Split | None = None) -> Sequence[ReferenceItem]:
        found = [r for (of, _), r in self._all.references.items() if of == project and split in (None, r.split)]
        return sorted(found, key=lambda r: r.row)

    @override
    def delete_rows(self, project: ProjectId, rows: Sequence[int], at: datetime) -> None:
        self._all.require(project)
        deletion = self.last_deletion(project) + 1
        for row in rows:
            self._all.deleted_rows.setdefault((project, row), deletion)
            self._all.references.pop((project, row), None)

    @override
    def deleted_rows(self, project: ProjectId, rows: Sequence[int] | None = None) -> Sequence[int]:
        return sorted(row for of, row in self._all.deleted_rows if of == project and (rows is None or row in rows))

    @override
    def last_deletion(self, project: ProjectId) -> int:
        return max((n for (of, _), n in self._all.deleted_rows.items() if of == project), default=0)

    @override
    def deleted_after(self, project: ProjectId, deletion: int) -> Sequence[int]:
        deleted = self._all.deleted_rows.items()
        return sorted(row for (of, row), number in deleted if of == project and number > deletion)

    @override
    def put_replay_labels(self, project: ProjectId, label_set: str, labels: Sequence[tuple[str, str]]) -> None:
        self._all.require(project)
        for item_id, label in labels:
            self._all.replay_labels[project, label_set, item_id] = label

    @override
    def replay_sets(self, project: ProjectId) -> Sequence[str]:
        return sorted({label_set for of, label_set, _ in self._all.replay_labels if of == project})

    @override
    def replay_labels(
        self, project: ProjectId, label_set: str, item_ids: Sequence[str] | None = None
    ) -> dict[str, str]:
        return {
            item_id: label
            for (of, of_set, item_id), label in self._all.replay_labels.items()
            if (of, of_set) == (project, label_set) and (item_ids is None or item_id in item_ids)
        }

"""Committed rows, uploads, references and replay labels in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from sqlalchemy.dialects.postgresql import insert
from typing_extensions import override

from nextlabel.server.ports.tables.pool import PoolTable
from nextlabel.server.store.codec import to_micros
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.results import changed
from nextlabel.server.store.sql.statements import Connection, Statement, among
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.pool import ReferenceItem, Segment, Split

_SEGMENT = Row(Segment, schema.segments)
_REFERENCE = Row(ReferenceItem, schema.reference_items, unsigned=("text_hash",))
_segments = schema.segments.c
_uploads = schema.uploads.c
_references = schema.reference_items.c
_deleted = schema.deleted_rows.c
_replay = schema.replay_labels.c

_LAST = Statement(
    sa.select(_segments.first_row + _segments.row_count)
    .where(_segments.project == p("project"))
    .order_by(_segments.first_row.desc())
    .limit(1)
)
_ADD_SEGMENT = Statement(sa.insert(schema.segments))
_SEGMENTS = sa.select(*_SEGMENT.columns).where(_segments.project == p("project")).order_by(_segments.first_row)
_ALL_SEGMENTS = Statement(_SEGMENTS)
_SEGMENTS_BY_STATE = Statement(_SEGMENTS.where(_segments.embedded == p("embedded")))
_AWAITING = Statement(
    sa.select(_segments.project, sa.func.sum(_segments.row_count))
    .where(_segments.embedded.is_(False))
    .group_by(_segments.project)
)
_MARK_EMBEDDED = Statement(
    sa.update(schema.segments)
    .where(_segments.project == p("of"), _segments.first_row == p("first"))
    .values(embedded=sa.true())
)
_EMBEDDED_UP_TO = Statement(
    sa.update(schema.segments).where(_segments.project == p("of")).values(embedded=_segments.first_row < p("stop"))
)
_ACKNOWLEDGED = Statement(
    sa.select(_uploads.sequence).where(_uploads.project == p("project"), _uploads.upload == p("upload"))
)
_add_upload = insert(schema.uploads)
_ACKNOWLEDGE = Statement(
    _add_upload.on_conflict_do_update(
        index_elements=["project", "upload"],
        set_={"sequence": _add_upload.excluded.sequence, "at": _add_upload.excluded.at},
    )
)
_ADD_REFERENCE = Statement(sa.insert(schema.reference_items))
_REFERENCES = sa.select(*_REFERENCE.columns).where(_references.project == p("project")).order_by(_references.row)
_ALL_REFERENCES = Statement(_REFERENCES)
_REFERENCES_OF_SPLIT = Statement(_REFERENCES.where(_references.split == p("split")))
_FORGET_REFERENCE = Statement(
    sa.delete(schema.reference_items).where(_references.project == p("project"), _references.row == p("row"))
)
_ADD_DELETED = Statement(insert(schema.deleted_rows).on_conflict_do_nothing())
_deleted_of = sa.select(_deleted.row).where(_deleted.project == p("project")).order_by(_deleted.row)
_DELETED = Statement(_deleted_of)
_DELETED_AMONG = Statement(_deleted_of.where(among(_deleted.row, "rows")))
_DELETED_AFTER = Statement(_deleted_of.where(_deleted.deletion > p("deletion")))
_LAST_DELETION = Statement(sa.select(sa.func.max(_deleted.deletion)).where(_deleted.project == p("project")))
_add_label = insert(schema.replay_labels)
_PUT_LABEL = Statement(
    _add_label.on_conflict_do_update(
        index_elements=["project", "label_set", "item_id"], set_={"label": _add_label.excluded.label}
    )
)
_LABELS = sa.select(_replay.item_id, _replay.label).where(
    _replay.project == p("project"), _replay.label_set == p("label_set")
)
_ALL_LABELS = Statement(_LABELS)
# By the index from one name to the next, however many labels are between them.
_NEXT_SET = Statement(
    sa.select(sa.func.min(_replay.label_set)).where(_replay.project == p("project"), _replay.label_set > p("after"))
)
_LABELS_OF = Statement(_LABELS.where(among(_replay.item_id, "item_ids")))


class SqlPool(PoolTable):
    """Which rows are committed, where uploads stand, what is deleted or reserved for evaluation."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @override
    def lock(self, project: ProjectId) -> None:
        self._sql.lock(f"pool/{project}")

    @override
    def committed_rows(self, project: ProjectId) -> int:
        last = self._sql.first(_LAST, {"project": project})
        return last[0] if last else 0

    @override
    def add_segment(self, segment: Segment) -> None:
        self._sql.run(_ADD_SEGMENT, _SEGMENT.bind(segment))

    @override
    def segments(self, project: ProjectId, embedded: bool | None = None) -> Sequence[Segment]:
        if embedded is None:
            found = self._sql.all(_ALL_SEGMENTS, {"project": project})
        else:
            found = self._sql.all(_SEGMENTS_BY_STATE, {"project": project, "embedded": embedded})
        return [_SEGMENT.load(r) for r in found]

    @override
    def awaiting(self) -> Mapping[ProjectId, int]:
        return {ProjectId(project): int(rows) for project, rows in self._sql.all(_AWAITING, {})}

    @override
    def mark_embedded(self, project: ProjectId, first_row: int) -> None:
        changed(self._sql.run(_MARK_EMBEDDED, {"of": project, "first": first_row}), "the segment")

    @override
    def embedded_up_to(self, project: ProjectId, row: int) -> None:
        self._sql.run(_EMBEDDED_UP_TO, {"of": project, "stop": row})

    @override
    def acknowledged(self, project: ProjectId, upload: str) -> int:
        found = self._sql.first(_ACKNOWLEDGED, {"project": project, "upload": upload})
        return found[0] if found else 0

    @override
    def acknowledge(self, project: ProjectId, upload: str, sequence: int, at: datetime) -> None:
        params = {"project": project, "upload": upload, "sequence": sequence, "at": to_micros(at)}
        self._sql.run(_ACKNOWLEDGE, params)

    @override
    def add_references(self, project: ProjectId, items: Sequence[ReferenceItem]) -> None:
        self._sql.run_many(_ADD_REFERENCE, [{"project": project, **_REFERENCE.bind(i)} for i in items])

    @override
    def references(self, project: ProjectId, split: Split | None = None) -> Sequence[ReferenceItem]:
        if split is None:
            found = self._sql.all(_ALL_REFERENCES, {"project": project})
        else:
            found = self._sql.all(_REFERENCES_OF_SPLIT, {"project": project, "split": split.value})
        return [_REFERENCE.load(r) for r in found]

    @override
    def delete_rows(self, project: ProjectId, rows: Sequence[int], at: datetime) -> None:
        # Held until the commit, so that no deletion becomes visible after one with a higher number.
        self.lock(project)
        of = {"project": project, "at": to_micros(at), "deletion": self.last_deletion(project) + 1}
        self._sql.run_many(_ADD_DELETED, [{**of, "row": row} for row in rows])
        self._sql.run_many(_FORGET_REFERENCE, [{"project": project, "row": row} for row in rows])

    @override
    def deleted_rows(self, project: ProjectId, rows: Sequence[int] | None = None) -> Sequence[int]:
        if rows is None:
            found = self._sql.all(_DELETED, {"project": project})
        else:
            found = self._sql.all(_DELETED_AMONG, {"project": project, "rows": self._sql.array(rows)})
        return [row for (row,) in found]

    @override
    def last_deletion(self, project: ProjectId) -> int:
        found = self._sql.first(_LAST_DELETION, {"project": project})
        return (found[0] if found else 0) or 0

    @override
    def deleted_after(self, project: ProjectId, deletion: int) -> Sequence[int]:
        return [row for (row,) in self._sql.all(_DELETED_AFTER, {"project": project, "deletion": deletion})]

    @override
    def put_replay_labels(self, project: ProjectId, label_set: str, labels: Sequence[tuple[str, str]]) -> None:
        of = {"project": project, "label_set": label_set}
        self._sql.run_many(_PUT_LABEL, [{**of, "item_id": item, "label": label} for item, label in labels])

    @override
    def replay_sets(self, project: ProjectId) -> Sequence[str]:
        found: list[str] = []
        while True:
            [(name,)] = self._sql.all(_NEXT_SET, {"project": project, "after": found[-1] if found else ""})
            if name is None:
                return found
            found.append(name)

    @override
    def replay_labels(
        self, project: ProjectId, label_set: str, item_ids: Sequence[str] | None = None
    ) -> dict[str, str]:
        of = {"project": project, "label_set": label_set}
        if item_ids is None:
            return dict(self._sql.all(_ALL_LABELS, of))
        return dict(self._sql.all(_LABELS_OF, {**of, "item_ids": self._sql.array(item_ids)}))

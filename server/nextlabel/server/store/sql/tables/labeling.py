"""Query batches, leases and annotations in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from typing_extensions import override

from nextlabel.server.ports.tables.labeling import LabelingTable
from nextlabel.server.store.codec import to_micros
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.results import changed
from nextlabel.server.store.sql.statements import Connection, RowInsert, Statement, among
from nextlabel.server.store.sql.tables.claims import claim
from nextlabel.server.store.sql.tables.order import keep_order
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.leases import Lease, LeaseItem, LeaseState

_BATCH = Row(Batch, schema.batches, unsigned=("seed",))
_PICK = Row(Pick, schema.picks)
_LEASE = Row(Lease, schema.leases)
_ITEM = Row(LeaseItem, schema.lease_items)
_ANNOTATION = Row(Annotation, schema.annotations)
_batches = schema.batches.c
_picks = schema.picks.c
_leases = schema.leases.c
_items = schema.lease_items.c
_annotations = schema.annotations.c
_active = _leases.state == sa.literal_column(f"'{LeaseState.ACTIVE.value}'")
# Written so that it uses no index: a project has had many leases, of which few are active, and those have an index.
_of_project = _leases.project.concat(sa.literal_column("''")) == p("project")

_ADD_BATCH = Statement(sa.insert(schema.batches).values({c.name: p(c.name) for c in _BATCH.columns}))
_ADD_PICK = Statement(
    sa.insert(schema.picks).values({name: p(name) for name in ["project", "run", *[c.name for c in _PICK.columns]]})
)
_BATCH_BY_ID = Statement(sa.select(*_BATCH.columns).where(_batches.id == p("id")))
_OF_PROJECT = sa.select(*_BATCH.columns).where(_batches.project == p("project")).order_by(_batches.seq)
_BATCHES = Statement(_OF_PROJECT)
_BATCHES_OF_RUN = Statement(_OF_PROJECT.where(_batches.run == p("run")))
_PICKS = Statement(sa.select(*_PICK.columns).where(_picks.batch == p("batch")).order_by(_picks.position))
_PICKED_ROWS = Statement(
    sa.select(_picks.row)
    .where(_picks.batch.in_(sa.select(_batches.id).where(_batches.project == p("project"), _batches.run == p("run"))))
    .group_by(_picks.row)
    .having(sa.func.count() >= p("times"))
    .order_by(_picks.row)
)
_OPEN_ROWS = Statement(
    sa.select(_picks.row)
    .distinct()
    .where(_picks.project == p("project"), _picks.slots_taken < p("overlap"))
    .order_by(_picks.row)
)
_MOVE_SLOT = Statement(
    sa.update(schema.picks)
    .where(_picks.batch == p("of_batch"), _picks.row == p("of_row"))
    .values(slots_taken=_picks.slots_taken + p("change"))
)
_ADD_LEASE = Statement(sa.insert(schema.leases).values({c.name: p(c.name) for c in _LEASE.columns}))
_ADD_ITEMS = RowInsert(schema.lease_items, ["project", "position", *[c.name for c in _ITEM.columns]])
_LEASE_BY_ID = sa.select(*_LEASE.columns).where(_leases.id == p("id"))
_ITEMS = Statement(sa.select(*_ITEM.columns).where(_items.lease == p("lease")).order_by(_items.position))
_LEASED_TO = Statement(
    sa.select(_items.row)
    .distinct()
    .select_from(schema.leases.join(schema.lease_items, _leases.id == _items.lease))
    .where(_items.project == p("project"), among(_items.row, "rows"), _leases.annotator == p("annotator"))
    .order_by(_items.row)
)
_MARK_ANSWERED = Statement(
    sa.update(schema.lease_items).where(_items.lease == p("of"), among(_items.row, "rows")).values(answered=sa.true())
)
_SET_LEASE = Statement(
    sa.update(schema.leases).where(_leases.id == p("of")).values(state=p("new_state"), expires_at=p("until"))
)
_EXPIRED = (
    sa.select(*_LEASE.columns)
    .where(_active, _leases.expires_at <= p("now"))
    .order_by(_leases.expires_at, _leases.seq)
    .limit(p("limit"))
)
_READ_LEASE = Statement(_LEASE_BY_ID)
_LOCK_LEASE = Statement(_LEASE_BY_ID.with_for_update())
_LEASED_ROWS = Statement(
    sa.select(_items.row)
    .distinct()
    .select_from(schema.leases.join(schema.lease_items, _leases.id == _items.lease))
    .where(_active, _of_project, ~_items.answered)
    .order_by(_items.row)
)
_COUNT_ACTIVE = Statement(sa.select(sa.func.count()).select_from(schema.leases).where(_active, _of_project))
_ADD_ANNOTATIONS = RowInsert(
    schema.annotations,
    [c.name for c in _ANNOTATION.columns if c.name != "id"],
    unless=["project", "row", "annotator", "batch", "corrects"],
)
_later = schema.annotations.alias("later")
_corrected: sa.Select[Any] = (
    sa.select(sa.literal_column("1"))
    .where(_later.c.project == _annotations.project, _later.c.row == _annotations.row)
    .where(_later.c.annotator == _annotations.annotator, _later.c.corrects == _annotations.id)
    .correlate(schema.annotations)
)
_labelled = (
    sa.select(sa.func.count())
    .select_from(schema.annotations)
    .where(_annotations.project == p("project"), _annotations.label.is_not(None), ~_corrected.exists())
)
_COUNT_LABELLED = Statement(_labelled)
_COUNT_LABELLED_OF_RUN = Statement(_labelled.where(_annotations.run == p("run")))


@cache
def annotations_where(rows: bool, annotator: bool, run: bool, limited: bool) -> Statement:
    """Return the query for annotations of ``:project`` by the parameters that it says it has."""
    # Of some rows there are few annotations: the index over ids would read those of all rows to find them.
    number = _annotations.id + sa.literal_column("0") if rows else _annotations.id
    query = sa.select(*_ANNOTATION.columns).where(_annotations.project == p("project"), number > p("after"))
    if rows:
        query = query.where(among(_annotations.row, "rows"))
    if annotator:
        query = query.where(_annotations.annotator == p("annotator"))
    if run:
        query = query.where(_annotations.run == p("run"))
    query = query.order_by(number)
    return Statement(query.limit(p("limit")) if limited else query)


@cache
def _open_picks(overlap: int, passed_over: bool) -> Statement:
    return Statement(claim(overlap, passed_over, _PICK.columns))


@cache
def _expired_leases(of_project: bool, writing: bool) -> Statement:
    query = _EXPIRED.where(_of_project) if of_project else _EXPIRED
    return Statement(query.with_for_update(skip_locked=True) if writing else query)


class SqlLabeling(LabelingTable):
    """Query batches, leases and annotations."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @override
    def add_batch(self, batch: Batch, picks: Sequence[Pick]) -> None:
        self._sql.run(_ADD_BATCH, _BATCH.bind(batch))
        of = {"project": batch.project, "run": batch.run}
        self._sql.run_many(_ADD_PICK, [{**of, **_PICK.bind(pick)} for pick in picks])

    @override
    def batch(self, batch: str) -> Batch | None:
        found = self._sql.first(_BATCH_BY_ID, {"id": batch})
        return _BATCH.load_first(found)

    @override
    def batches(self, project: ProjectId, run: str | None = None) -> Sequence[Batch]:
        statement = _BATCHES if run is None else _BATCHES_OF_RUN
        return [_BATCH.load(r) for r in self._sql.all(statement, _given(project=project, run=run))]

    @override
    def picks(self, batch: str) -> Sequence[Pick]:
        return [_PICK.load(r) for r in self._sql.all(_PICKS, {"batch": batch})]

    @override
    def picked_rows(self, project: ProjectId, run: str, times: int = 1) -> Sequence[int]:
        return self._rows(_PICKED_ROWS, {"project": project, "run": run, "times": times})

    @override
    def open_rows(self, project: ProjectId, overlap: int) -> Sequence[int]:
        return self._rows(_OPEN_ROWS, {"project": project, "overlap": overlap})

    @override
    def leased_rows(self, project: ProjectId) -> Sequence[int]:
        return self._rows(_LEASED_ROWS, {"project": project})

    def _rows(self, statement: Statement, params: dict[str, Any]) -> Sequence[int]:
        return [row for (row,) in self._sql.all(statement, params)]

    @override
    def claim_open_picks(
        self, project: ProjectId, annotator: str, overlap: int, count: int, passed_over: Sequence[str] = ()
    ) -> Sequence[Pick]:
        # Two claims of one annotator must see each other's leases: another pick of the same row is no row lock.
        self.answering(project, annotator)
        statement = _open_picks(overlap, bool(passed_over))
        params = {"project": project, "annotator": annotator, "count": count}
        if passed_over:
            params["runs"] = self._sql.array(passed_over)
        return [_PICK.load(r[1:]) for r in sorted(self._sql.all(statement, params))]

    @override
    def free_slots(self, picks: Sequence[tuple[str, int]]) -> None:
        self._move_slots(picks, -1)

    @override
    def take_slots(self, picks: Sequence[tuple[str, int]]) -> None:
        self._move_slots(picks, 1)

    def _move_slots(self, picks: Sequence[tuple[str, int]], change: int) -> None:
        if not picks:
            return
        # In one order for all callers, so that two of them cannot deadlock over row locks.
        params = [{"of_batch": batch, "of_row": row, "change": change} for batch, row in sorted(picks)]
        self._sql.run_many(_MOVE_SLOT, params)

    @override
    def add_lease(self, lease: Lease, items: Sequence[LeaseItem]) -> None:
        self._sql.run(_ADD_LEASE, _LEASE.bind(lease))
        params = [
            {"project": lease.project, "position": position, **_ITEM.bind(item)} for position, item in enumerate(items)
        ]
        self._sql.insert(_ADD_ITEMS, params)

    @override
    def lease(self, lease: str) -> Lease | None:
        found = self._sql.first(_LOCK_LEASE if self._sql.writing else _READ_LEASE, {"id": lease})
        return _LEASE.load_first(found)

    @override
    def lease_items(self, lease: str) -> Sequence[LeaseItem]:
        return [_ITEM.load(r) for r in self._sql.all(_ITEMS, {"lease": lease})]

    @override
    def rows_leased_to(self, project: ProjectId, annotator: str, rows: Sequence[int]) -> Sequence[int]:
        return self._rows(_LEASED_TO, {"project": project, "annotator": annotator, "rows": self._sql.array(rows)})

    @override
    def mark_answered(self, lease: str, rows: Sequence[int]) -> None:
        self._sql.run(_MARK_ANSWERED, {"of": lease, "rows": self._sql.array(rows)})

    @override
    def set_lease(self, lease: str, state: LeaseState, expires_at: datetime) -> None:
        params = {"of": lease, "new_state": state.value, "until": to_micros(expires_at)}
        changed(self._sql.run(_SET_LEASE, params), "the lease")

    @override
    def expired_leases(self, project: ProjectId | None, now: datetime, limit: int) -> Sequence[Lease]:
        statement = _expired_leases(project is not None, self._sql.writing)
        found = self._sql.all(statement, _given(project=project, now=to_micros(now), limit=limit))
        return [_LEASE.load(r) for r in found]

    @override
    def active_leases(self, project: ProjectId) -> int:
        return self._count(_COUNT_ACTIVE, {"project": project})

    @override
    def add_annotations(self, annotations: Sequence[Annotation]) -> Sequence[bool]:
        for project in sorted({a.project for a in annotations}):
            keep_order(self._sql, project)
        params = [_ANNOTATION.bind(a) for a in annotations]
        for values in params:
            del values["id"]
        return self._sql.insert(_ADD_ANNOTATIONS, params)

    @override
    def answering(self, project: ProjectId, annotator: str) -> None:
        self._sql.lock(f"claim/{project}/{annotator}")

    @override
    def annotations(
        self,
        project: ProjectId,
        *,
        rows: Sequence[int] | None = None,
        annotator: str | None = None,
        run: str | None = None,
        after_id: int = 0,
        limit: int | None = None,
    ) -> Sequence[Annotation]:
        statement = annotations_where(rows is not None, annotator is not None, run is not None, limit is not None)
        array = None if rows is None else self._sql.array(rows)
        params = _given(project=project, rows=array, annotator=annotator, run=run, after=after_id, limit=limit)
        return [_ANNOTATION.load(r) for r in self._sql.all(statement, params)]

    @override
    def count_annotations(self, project: ProjectId, run: str | None = None) -> int:
        statement = _COUNT_LABELLED if run is None else _COUNT_LABELLED_OF_RUN
        return self._count(statement, _given(project=project, run=run))

    def _count(self, statement: Statement, params: dict[str, Any]) -> int:
        found = self._sql.first(statement, params)
        return int(found[0]) if found else 0


def _given(**params: Any) -> dict[str, Any]:
    """Return the parameters that are not None: the ones a statement without the filter does not have."""
    return {name: value for name, value in params.items() if value is not None}

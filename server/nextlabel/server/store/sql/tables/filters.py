"""Filters of labels, kept items and verdicts in SQL."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from sqlalchemy.dialects.postgresql import insert
from typing_extensions import override

from nextlabel.server.ports.tables.filters import FilterTable
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.statements import Connection, Statement, among
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.filters import KeptItem, LabelFilter
from nextlabel.server.values.labeling.verdicts import LabelVerdict

_FILTER = Row(LabelFilter, schema.label_filters)
_KEPT = Row(KeptItem, schema.kept_items)
_VERDICT = Row(LabelVerdict, schema.label_verdicts)
_filters = schema.label_filters.c
_kept = schema.kept_items.c
_verdicts = schema.label_verdicts.c
_KEY = ("project", "name")
_FIRST = ("created_by", "created_at")

_put = insert(schema.label_filters).values({c.name: p(c.name) for c in _FILTER.columns})
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=_KEY,
        set_={c.name: _put.excluded[c.name] for c in _FILTER.columns if c.name not in (*_KEY, *_FIRST)},
    )
)
_of = sa.select(*_FILTER.columns).where(_filters.project == p("project"))
_GET = Statement(_of.where(_filters.name == p("name")))
_LIST = Statement(_of.order_by(_filters.name))
_REMOVE = Statement(sa.delete(schema.label_filters).where(_filters.project == p("project"), _filters.name == p("name")))
_KEEP = Statement(
    insert(schema.kept_items)
    .values({c.name: p(c.name) for c in _KEPT.columns})
    .on_conflict_do_nothing(index_elements=["project", "row"])
)
_RELEASE = Statement(sa.delete(schema.kept_items).where(_kept.project == p("project"), among(_kept.row, "rows")))
_ALL_KEPT = Statement(sa.select(*_KEPT.columns).where(_kept.project == p("project")).order_by(_kept.row))

_ADD_VERDICT = Statement(
    insert(schema.label_verdicts)
    .values({c.name: p(c.name) for c in _VERDICT.columns})
    .on_conflict_do_nothing(index_elements=["project", "row", "judge", "about"])
)
_VERDICTS = Statement(
    sa.select(*_VERDICT.columns)
    .where(_verdicts.project == p("project"))
    .order_by(_verdicts.row, _verdicts.judged_at, _verdicts.judge, _verdicts.about)
)
_COUNT_VERDICTS = Statement(
    sa.select(sa.func.count()).select_from(schema.label_verdicts).where(_verdicts.project == p("project"))
)


class SqlFilters(FilterTable):
    """Filters, kept items and verdicts."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @override
    def put(self, label_filter: LabelFilter) -> None:
        self._sql.run(_PUT, _FILTER.bind(label_filter))

    @override
    def get(self, project: ProjectId, name: str) -> LabelFilter | None:
        return _FILTER.load_first(self._sql.first(_GET, {"project": project, "name": name}))

    @override
    def list(self, project: ProjectId) -> Sequence[LabelFilter]:
        return [_FILTER.load(record) for record in self._sql.all(_LIST, {"project": project})]

    @override
    def remove(self, project: ProjectId, name: str) -> bool:
        return self._sql.run(_REMOVE, {"project": project, "name": name}) > 0

    @override
    def keep(self, items: Sequence[KeptItem]) -> None:
        self._sql.run_many(_KEEP, [_KEPT.bind(item) for item in items])

    @override
    def release(self, project: ProjectId, rows: Sequence[int]) -> None:
        self._sql.run(_RELEASE, {"project": project, "rows": self._sql.array(list(rows))})

    @override
    def kept(self, project: ProjectId) -> Sequence[KeptItem]:
        return [_KEPT.load(record) for record in self._sql.all(_ALL_KEPT, {"project": project})]

    @override
    def add_verdicts(self, verdicts: Sequence[LabelVerdict]) -> None:
        self._sql.run_many(_ADD_VERDICT, [_VERDICT.bind(verdict) for verdict in verdicts])

    @override
    def verdicts(self, project: ProjectId) -> Sequence[LabelVerdict]:
        return [_VERDICT.load(record) for record in self._sql.all(_VERDICTS, {"project": project})]

    @override
    def verdict_count(self, project: ProjectId) -> int:
        [count] = self._sql.first(_COUNT_VERDICTS, {"project": project}) or (0,)
        return int(count)

"""Advice about items in SQL."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from sqlalchemy.dialects.postgresql import insert
from typing_extensions import override

from nextlabel.server.ports.tables.advice import AdviceTable
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.statements import Connection, Statement, among
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.advice import Advice

_ADVICE = Row(Advice, schema.advice)
_advice = schema.advice.c
_KEY = ("project", "row", "annotator")

_put = insert(schema.advice).values({c.name: p(c.name) for c in _ADVICE.columns})
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=_KEY, set_={c.name: _put.excluded[c.name] for c in _ADVICE.columns if c.name not in _KEY}
    )
)
_REMOVE = Statement(
    sa.delete(schema.advice).where(_advice.project == p("project"), _advice.annotator == p("annotator"))
)
_ANNOTATORS = Statement(
    sa.select(_advice.annotator).distinct().where(_advice.project == p("project")).order_by(_advice.annotator)
)
_ROWS = Statement(
    sa.select(_advice.row)
    .where(_advice.project == p("project"), _advice.annotator == p("annotator"))
    .order_by(_advice.row)
)
_OF = Statement(
    sa.select(*_ADVICE.columns)
    .where(_advice.project == p("project"), among(_advice.row, "rows"))
    .order_by(_advice.row, _advice.annotator)
)


class SqlAdvice(AdviceTable):
    """Advice about items."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @override
    def put(self, advice: Sequence[Advice]) -> None:
        self._sql.run_many(_PUT, [_ADVICE.bind(piece) for piece in advice])

    @override
    def remove(self, project: ProjectId, annotator: str) -> int:
        return self._sql.run(_REMOVE, {"project": project, "annotator": annotator})

    @override
    def annotators(self, project: ProjectId) -> Sequence[str]:
        return [name for (name,) in self._sql.all(_ANNOTATORS, {"project": project})]

    @override
    def rows(self, project: ProjectId, annotator: str) -> Sequence[int]:
        return [row for (row,) in self._sql.all(_ROWS, {"project": project, "annotator": annotator})]

    @override
    def of(self, project: ProjectId, rows: Sequence[int]) -> Sequence[Advice]:
        found = self._sql.all(_OF, {"project": project, "rows": self._sql.array(list(rows))})
        return [_ADVICE.load(record) for record in found]

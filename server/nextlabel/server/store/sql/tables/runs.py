"""Runs and their events in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from sqlalchemy.dialects.postgresql import insert
from typing_extensions import override

from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.tables.runs import H, RunTable
from nextlabel.server.store import codec, row_sets
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.results import changed
from nextlabel.server.store.sql.statements import Connection, Statement, among
from nextlabel.server.values.errors import Aborted
from nextlabel.server.values.ids import JsonObject, ProjectId
from nextlabel.server.values.runs.events import Happening, RunEvent
from nextlabel.server.values.runs.runs import Run, RunState

_ROUND = "round"


@dataclass(frozen=True, slots=True)
class _StoredEvent:
    """An event as its row has it: what happened as plain data, under the name of its kind."""

    run: str
    number: int
    kind: str
    payload: JsonObject
    at: datetime


_RUN = Row(Run, schema.runs)
_EVENT = Row(_StoredEvent, schema.run_events)
_runs = schema.runs.c
_events = schema.run_events.c
_rows = schema.run_rows.c
_CHANGING = ("state", "stop_reason", "message", "round", "ended_at")

_ADD = Statement(sa.insert(schema.runs).values({c.name: p(c.name) for c in _RUN.columns}))
_UPDATE = Statement(
    sa.update(schema.runs).where(_runs.id == p("of")).values({name: p(f"new_{name}") for name in _CHANGING})
)
_GET = Statement(sa.select(*_RUN.columns).where(_runs.id == p("id")))
_NEXT_EVENT = Statement(
    sa.update(schema.runs)
    .where(_runs.id == p("of"))
    .values(last_event=_runs.last_event + sa.literal_column("1"))
    .returning(_runs.last_event)
)
_ADD_EVENT = Statement(sa.insert(schema.run_events))
_EVENTS = Statement(
    sa.select(*_EVENT.columns)
    .where(_events.run == p("run"), _events.number > p("after"))
    .order_by(_events.number)
    .limit(p("limit"))
)
_put_rows = insert(schema.run_rows).values(run=p("run"), name=p("name"), rows=p("rows"))
_PUT_ROWS = Statement(
    _put_rows.on_conflict_do_update(index_elements=("run", "name"), set_={"rows": _put_rows.excluded["rows"]})
)
_ROWS = Statement(sa.select(_rows.rows).where(_rows.run == p("run"), _rows.name == p("name")))
_LAST_EVENT = Statement(
    sa.select(*_EVENT.columns)
    .where(_events.run == p("run"), _events.kind == p("kind"))
    .order_by(_events.number.desc())
    .limit(sa.literal_column("1"))
)


@cache
def _runs_where(project: bool, states: bool) -> Statement:
    query = sa.select(*_RUN.columns).order_by(_runs.seq)
    if project:
        query = query.where(_runs.project == p("project"))
    if states:
        query = query.where(among(_runs.state, "states"))
    return Statement(query)


class SqlRuns(RunTable):
    """Runs and their events."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @override
    def add(self, run: Run) -> None:
        self._sql.run(_ADD, _RUN.bind(run))

    @override
    def update(self, run: Run) -> None:
        values = _RUN.bind(run)
        params = {"of": run.id, **{f"new_{name}": values[name] for name in _CHANGING}}
        changed(self._sql.run(_UPDATE, params), "the run")

    @override
    def get(self, run: str) -> Run | None:
        found = self._sql.first(_GET, {"id": run})
        return _RUN.load_first(found)

    @override
    def list(self, project: ProjectId | None = None, states: Sequence[RunState] | None = None) -> Sequence[Run]:
        params = {}
        if project is not None:
            params["project"] = project
        if states is not None:
            params["states"] = self._sql.array([s.value for s in states])
        statement = _runs_where(project is not None, states is not None)
        return [_RUN.load(r) for r in self._sql.all(statement, params)]

    @override
    def add_event(self, event: RunEvent) -> RunEvent:
        found = self._sql.first(_NEXT_EVENT, {"of": event.run})
        if found is None:
            raise Aborted("the run was removed by a concurrent call")
        numbered = replace(event, number=found[0])
        self._sql.run(_ADD_EVENT, _EVENT.bind(_stored(numbered)))
        return numbered

    @override
    def events(self, run: str, after_number: int, limit: int) -> Sequence[RunEvent]:
        found = self._sql.all(_EVENTS, {"run": run, "after": after_number, "limit": limit})
        return [_event(_EVENT.load(r)) for r in found]

    @override
    def put_rows(self, run: str, name: str, rows: Rows) -> None:
        self._sql.run(_PUT_ROWS, {"run": run, "name": name, "rows": row_sets.packed(rows)})

    @override
    def rows(self, run: str, name: str) -> Rows | None:
        found = self._sql.first(_ROWS, {"run": run, "name": name})
        return None if found is None else row_sets.unpacked(found[0])

    @override
    def last(self, run: str, kind: type[H]) -> H | None:
        found = _EVENT.load_first(self._sql.first(_LAST_EVENT, {"run": run, "kind": codec.tag(kind)}))
        happening = _event(found).happening if found else None
        return happening if isinstance(happening, kind) else None


def _stored(event: RunEvent) -> _StoredEvent:
    [(kind, payload)] = codec.to_plain(Happening, event.happening).items()
    return _StoredEvent(event.run, event.number, kind, {**payload, _ROUND: event.round}, event.at)


def _event(stored: _StoredEvent) -> RunEvent:
    payload = dict(stored.payload)
    number = payload.pop(_ROUND)
    return RunEvent(stored.run, stored.number, number, codec.from_plain(Happening, {stored.kind: payload}), stored.at)

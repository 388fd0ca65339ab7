"""Limits, reservations and the ledger in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from sqlalchemy.dialects.postgresql import insert
from typing_extensions import override

from nextlabel.server.ports.tables.budgets import BudgetTable
from nextlabel.server.store import codec
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.results import changed
from nextlabel.server.store.sql.statements import UNLIMITED, Connection, Statement
from nextlabel.server.store.sql.tables import answers
from nextlabel.server.store.sql.tables.order import keep_order
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.budgets import Budget, Reservation
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.ledger import LedgerEntry, LedgerKind
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer

_BUDGET = Row(Budget, schema.budgets)
_RESERVATION = Row(Reservation, schema.reservations)
_ENTRY = Row(LedgerEntry, schema.ledger)
_budgets = schema.budgets.c
_reservations = schema.reservations.c
_ledger = schema.ledger.c
_BUDGET_KEY = ("project", "run", "window")
_COSTS = [f"{cost}_{d}" for cost in ("remaining", "presumed") for d in ("labels", "tokens", "micro_usd")]
_REMAINS = (*_COSTS, "open")

_OF_PROJECT = sa.select(*_BUDGET.columns).where(_budgets.project == p("project"))
_BUDGETS = Statement(_OF_PROJECT.order_by(_budgets.run, _budgets.window))
_BUDGETS_OF_RUN = Statement(_OF_PROJECT.where(_budgets.run == p("run")).order_by(_budgets.window))
_put = insert(schema.budgets)
_PUT_BUDGET = Statement(
    _put.on_conflict_do_update(
        index_elements=_BUDGET_KEY,
        set_={c.name: _put.excluded[c.name] for c in _BUDGET.columns if c.name not in _BUDGET_KEY},
    )
)
_ADD_RESERVATION = Statement(
    insert(schema.reservations).values({c.name: p(c.name) for c in _RESERVATION.columns}).on_conflict_do_nothing()
)
_some_reservation = sa.select(*_RESERVATION.columns)
_RESERVATION_BY_ID = Statement(_some_reservation.where(_reservations.id == p("id")))
_unsettled = _some_reservation.where(sa.text(schema.UNSETTLED))
_of_project = _unsettled.where(_reservations.project == p("project"))
_OPEN_BY_KEY = Statement(_of_project.where(sa.text("key <> ''"), _reservations.key == p("key")))
_OPEN = Statement(_of_project.order_by(_reservations.seq))
_OF_CALLS = Statement(
    # In the order of the index on open ones, or SQLite reads all that were ever made.
    _unsettled.where(sa.text("key <> ''"), _reservations.run == "", _reservations.created_at < p("before")).order_by(
        _reservations.project, _reservations.seq
    )
)
_UPDATE_RESERVATION = Statement(
    sa.update(schema.reservations)
    .where(_reservations.id == p("of"))
    .values({name: p(f"new_{name}") for name in _REMAINS})
)
_APPEND = Statement(sa.insert(schema.ledger).values({c.name: p(c.name) for c in _ENTRY.columns if c.name != "id"}))


@cache
def _entries(of_run: bool) -> Statement:
    query = sa.select(*_ENTRY.columns).where(_ledger.project == p("project"), _ledger.id > p("after"))
    if of_run:
        query = query.where(_ledger.run == p("run"))
    return Statement(query.order_by(_ledger.id).limit(p("limit")))


@cache
def _total(of_run: bool) -> Statement:
    sums = [sa.func.coalesce(sa.func.sum(c), 0) for c in _ENTRY.columns if c.name.startswith("amount_")]
    query = sa.select(*sums).where(_ledger.project == p("project"), _ledger.kind == p("kind"))
    return Statement(query.where(_ledger.run == p("run")) if of_run else query)


@cache
def _presumed(of_run: bool) -> Statement:
    sums = [sa.func.coalesce(sa.func.sum(c), 0) for c in _RESERVATION.columns if c.name.startswith("presumed_")]
    query = sa.select(*sums).where(_reservations.project == p("project"), sa.text(schema.PRESUMED))
    return Statement(query.where(_reservations.run == p("run")) if of_run else query)


class SqlBudgets(BudgetTable):
    """Limits, reservations, the append-only ledger and the answers that were paid for."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self._answers = answers.SqlAnswers(connection)

    @override
    def lock(self, project: ProjectId) -> bool:
        return keep_order(self._sql, project)

    @override
    def budget(self, project: ProjectId, run: str) -> Sequence[Budget]:
        return [_BUDGET.load(r) for r in self._sql.all(_BUDGETS_OF_RUN, {"project": project, "run": run})]

    @override
    def budgets(self, project: ProjectId) -> Sequence[Budget]:
        return [_BUDGET.load(r) for r in self._sql.all(_BUDGETS, {"project": project})]

    @override
    def put_budget(self, budget: Budget) -> None:
        self._sql.run(_PUT_BUDGET, _BUDGET.bind(budget))

    @override
    def add_reservation(self, reservation: Reservation) -> None:
        added = self._sql.run(_ADD_RESERVATION, _RESERVATION.bind(reservation))
        changed(added, "the open reservation of the same key")

    @override
    def reservation(self, reservation: str) -> Reservation | None:
        found = self._sql.first(_RESERVATION_BY_ID, {"id": reservation})
        return _RESERVATION.load_first(found)

    @override
    def open_reservation(self, project: ProjectId, key: str) -> Reservation | None:
        found = self._sql.first(_OPEN_BY_KEY, {"project": project, "key": key})
        return _RESERVATION.load_first(found)

    @override
    def update_reservation(self, reservation: Reservation) -> None:
        values = _RESERVATION.bind(reservation)
        params = {"of": reservation.id, **{f"new_{name}": values[name] for name in _REMAINS}}
        changed(self._sql.run(_UPDATE_RESERVATION, params), "the reservation")

    @override
    def open_reservations(self, project: ProjectId) -> Sequence[Reservation]:
        return [_RESERVATION.load(r) for r in self._sql.all(_OPEN, {"project": project})]

    @override
    def reservations_of_calls(self, before: datetime) -> Sequence[Reservation]:
        return [_RESERVATION.load(r) for r in self._sql.all(_OF_CALLS, {"before": codec.to_micros(before)})]

    @override
    def append(self, entry: LedgerEntry) -> None:
        keep_order(self._sql, entry.project)
        values = _ENTRY.bind(entry)
        del values["id"]
        self._sql.run(_APPEND, values)

    @override
    def entries(
        self, project: ProjectId, run: str | None = None, after_id: int = 0, limit: int | None = None
    ) -> Sequence[LedgerEntry]:
        params = {"project": project, "after": after_id, "limit": UNLIMITED if limit is None else limit}
        if run is not None:
            params["run"] = run
        return [_ENTRY.load(r) for r in self._sql.all(_entries(run is not None), params)]

    @override
    def total(self, project: ProjectId, kind: LedgerKind, run: str | None = None) -> Cost:
        params = {"project": project, "kind": kind.value}
        if run is not None:
            params["run"] = run
        [sums] = self._sql.all(_total(run is not None), params)
        return Cost(*map(int, sums))

    @override
    def presumed(self, project: ProjectId, run: str | None = None) -> Cost:
        params = {"project": project} if run is None else {"project": project, "run": run}
        [sums] = self._sql.all(_presumed(run is not None), params)
        return Cost(*map(int, sums))

    @override
    def put_answer(self, project: ProjectId, answer: StoredAnswer, at: datetime) -> None:
        self._answers.put(project, answer, at)

    @override
    def answer(self, project: ProjectId, key: str) -> StoredAnswer | None:
        return self._answers.get(project, key)

    @override
    def put_intent(self, project: ProjectId, intent: MessageBatchIntent) -> None:
        self._answers.put_intent(project, intent)

    @override
    def intents(self, project: ProjectId) -> Sequence[MessageBatchIntent]:
        return self._answers.intents(project)

    @override
    def delete_intent(self, project: ProjectId, intent: str) -> None:
        self._answers.delete_intent(project, intent)

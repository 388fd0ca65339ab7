"""What leases and answers ask of the database costs the same however many there were before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from typing_extensions import override

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.store.sql.postgres import PostgresConnection
from nextlabel.server.store.sql.sqlite import SqliteConnection, connect
from nextlabel.server.store.sql.statements import Params, Record, Statement
from nextlabel.server.store.sql.tables.labeling import annotations_where
from nextlabel.server.store.sql.transaction import SqlTransaction
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.leases import LeaseState
from tests.store import values as v
from tests.store.sql.test_postgres import plain

FEW, MANY = 20, 1_000
LEASED = 5
POSTGRES = psycopg_dialect.dialect()

Ask = Callable[[Transaction], object]
QUESTIONS: dict[str, Ask] = {
    "annotations of rows": lambda tx: tx.labeling.annotations(v.P, rows=[1, 2, 3]),
    "annotations of rows of a run": lambda tx: tx.labeling.annotations(v.P, rows=[1, 2, 3], run=""),
    "annotations of rows by an annotator": lambda tx: tx.labeling.annotations(v.P, rows=[1, 2, 3], annotator="ann"),
    "a page of annotations of rows": lambda tx: tx.labeling.annotations(v.P, rows=[1, 2, 3], limit=10),
    "annotations after the last": lambda tx: tx.labeling.annotations(v.P, after_id=10**9),
    "expired leases of a project": lambda tx: tx.labeling.expired_leases(v.P, v.at(0), 1_000),
    "expired leases": lambda tx: tx.labeling.expired_leases(None, v.at(0), 1_000),
    "leased rows": lambda tx: tx.labeling.leased_rows(v.P),
    "active leases": lambda tx: tx.labeling.active_leases(v.P),
    "rows leased to an annotator": lambda tx: tx.labeling.rows_leased_to(v.P, "ann", [1, 2, 3]),
    "items of a lease": lambda tx: tx.labeling.lease_items("l1"),
    "open reservations": lambda tx: tx.budgets.open_reservations(v.P),
    "ledger after the last": lambda tx: tx.budgets.entries(v.P, after_id=10**9),
    "open picks": lambda tx: tx.labeling.claim_open_picks(v.P, "bob", 1, 3),
}


@pytest.fixture(scope="module")
def worked(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Databases by how many items were leased and answered; a few are on lease, and a few more are open."""
    paths = {count: tmp_path_factory.mktemp("store") / f"{count}.db" for count in (FEW, MANY)}
    for count, path in paths.items():
        shutil.copy(migrated_sqlite, path)
        with closing(connect(path)) as db:
            db.execute("BEGIN")
            fill(SqlTransaction(SqliteConnection(db, writing=True)), count)
            db.commit()
    return paths


def fill(tx: Transaction, done: int) -> None:
    rows = range(done + 2 * LEASED)
    tx.projects.insert(v.project())
    tx.labeling.add_batch(v.batch(), [v.pick(row, taken=int(row < done + LEASED)) for row in rows])
    for row in rows[: done + LEASED]:
        lease = v.lease(f"l{row}")
        tx.labeling.add_lease(lease, [v.lease_item(row, lease.id)])
        if row < done:
            tx.labeling.mark_answered(lease.id, [row])
            tx.labeling.set_lease(lease.id, LeaseState.DONE, lease.expires_at)
            tx.budgets.append(v.entry())
    tx.labeling.add_annotations([v.annotation(row) for row in rows[:done]])


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_costs_the_same_after_many_answers(worked: dict[int, Path], ask: Ask) -> None:
    few, many = (steps(worked[count], ask) for count in (FEW, MANY))
    assert many < 1.5 * few + 200


def steps(path: Path, ask: Ask) -> int:
    """Count the instructions of SQLite's machine."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    with closing(connect(path)) as db:
        db.execute("BEGIN")
        db.set_progress_handler(count, 1)
        ask(SqlTransaction(SqliteConnection(db, writing=True)))
        db.set_progress_handler(None, 0)
        db.rollback()
    return counted


def test_a_claim_on_postgres_reads_no_more_with_many_open_picks(postgres_url: str) -> None:
    with psycopg.connect(plain(postgres_url)) as db:
        read: list[int] = []
        for of, picks in (("few", FEW), ("many", 10 * MANY)):
            tx = SqlTransaction(PostgresConnection(db, writing=True))
            tx.projects.insert(v.project(of))
            batch = v.batch(f"batch of {of}", ProjectId(of))
            tx.labeling.add_batch(batch, [v.pick(row, batch.id) for row in range(picks)])
            reading = Reading(db)
            assert len(SqlTransaction(reading).labeling.claim_open_picks(ProjectId(of), "ann", 2, 5)) == 5
            read.append(reading.pages)
        db.rollback()
    few, many = read
    assert many < 3 * few


def test_a_claim_on_postgres_passes_over_no_picks_that_were_taken_long_ago(postgres_url: str) -> None:
    with psycopg.connect(plain(postgres_url)) as db:
        tx = SqlTransaction(PostgresConnection(db, writing=True))
        tx.projects.insert(v.project())
        tx.labeling.add_batch(v.batch(), [v.pick(row) for row in range(4 * MANY)])
        # What the database thinks of them is from when nearly all were open.
        db.execute("ANALYZE picks")
        db.execute("UPDATE picks SET slots_taken = 2 WHERE row < %s", (3 * MANY,))
        reading = Reading(db)
        assert SqlTransaction(reading).labeling.claim_open_picks(v.P, "ann", 2, 5)[0].row == 3 * MANY
        db.rollback()
    assert reading.passed_over < 10


def test_answers_of_rows_are_found_by_a_plan_of_when_there_were_few(postgres_url: str) -> None:
    sql, _ = annotations_where(rows=True, annotator=True, run=False, limited=False).compiled(POSTGRES)
    explain = SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {} ('p1', 0, '{{1,2,3}}', 'ann')")
    with psycopg.connect(plain(postgres_url)) as db:
        connection = PostgresConnection(db, writing=True)
        tx = SqlTransaction(connection)
        db.execute("TRUNCATE annotations")
        db.execute("SET plan_cache_mode = force_generic_plan")
        tx.projects.insert(v.project())
        tx.labeling.add_annotations([v.annotation(row) for row in range(FEW)])
        given = {"project": v.P, "after": 0, "rows": connection.array([1, 2, 3]), "annotator": "ann"}
        db.execute(sql, given, prepare=True)
        tx.labeling.add_annotations([v.annotation(row) for row in range(FEW, 4 * MANY)])
        [(name,)] = db.execute("SELECT name FROM pg_prepared_statements WHERE statement ~ '^SELECT ann'").fetchall()
        [(plans,)] = db.execute(explain.format(Identifier(name))).fetchall()
        db.rollback()
    assert plans[0]["Plan"]["Shared Hit Blocks"] < 20


class Reading(PostgresConnection):
    """Counts the pages that queries read, from memory or from disk, and the rows that they read for nothing."""

    def __init__(self, db: psycopg.Connection[Record]) -> None:
        super().__init__(db, writing=True)
        self.pages = 0
        self.passed_over = 0
        self._explaining = db

    @override
    def all(self, statement: Statement, params: Params) -> list[Record]:
        sql, constants = statement.compiled(POSTGRES)
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"
        # It does what it explains: undone, so that it is done once.
        with self._explaining.transaction(force_rollback=True):
            [(plans,)] = self._explaining.execute(explain, {**constants, **params}).fetchall()
        self.pages += plans[0]["Plan"]["Shared Hit Blocks"] + plans[0]["Plan"]["Shared Read Blocks"]
        self.passed_over += _removed(plans[0]["Plan"])
        return super().all(statement, params)


def _removed(plan: dict[str, Any]) -> int:
    """Sum the picks that the scans of a plan have looked at and left."""
    own = plan.get("Rows Removed by Filter", 0) if plan.get("Relation Name") == "picks" else 0
    return int(own) + sum(_removed(part) for part in plan.get("Plans", ()))

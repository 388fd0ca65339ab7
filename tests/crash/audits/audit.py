"""Holds a service's database and pool against what its clients were told, and against its own invariants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from nextlabel.server.ports.pool_store import PoolStore
from nextlabel.server.store.sql import schema
from nextlabel.server.values.ids import ProjectId
from tests.crash.audits.books import replayed_books
from tests.crash.workloads.history import OVERLAP, Acknowledged, ProjectHistory, answer_of, label_of

Row = Mapping[Any, Any]


@dataclass(slots=True)
class Findings:
    """Breaches of what was promised, each in words."""

    breaches: list[str] = field(default_factory=list)

    def expect(self, holds: bool, breach: str) -> None:
        """Note a breach unless ``holds``."""
        if not holds:
            self.breaches.append(breach)

    def expect_none(self, found: Sequence[Any] | set[Any], what: str) -> None:
        """Note a breach, with the first examples, when something was found."""
        if found:
            self.breaches.append(f"{len(found)} {what}, such as {sorted(found, key=str)[:3]}")


def audit(engine: sa.Engine, arrays: PoolStore, history: ProjectHistory) -> list[str]:
    """Return the breaches. Servers may be running: what they have acknowledged by now must be there already."""
    promised = history.promises()
    findings = Findings()
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        else:  # Python's driver begins none to read, and each query would see what the servers did meanwhile
            connection.exec_driver_sql("BEGIN")
        names = {row["name"]: row["id"] for row in connection.execute(sa.select(schema.projects)).mappings()}
        findings.expect_none(promised.deleted_projects & set(names), "deleted projects are there again")
        limited = sa.select(schema.deleted_projects.c.name).where(
            schema.deleted_projects.c.id == schema.ledger.c.project, schema.ledger.c.kind == "set_limit"
        )
        kept = Counter(connection.scalars(limited))
        lost = {name for name in promised.deleted_projects if kept[name] != 1}
        findings.expect_none(lost, "deleted projects have not the one line of their ledger")
        findings.expect(not promised.created or history.name in names, f"project {history.name} is lost")
        if history.name not in names:
            return findings.breaches
        project = names[history.name]
        tables = {
            table.name: rows_of(connection, sa.select(table).where(table.c.project == project))
            for table in (
                schema.segments,
                schema.picks,
                schema.leases,
                schema.lease_items,
                schema.annotations,
                schema.models,
                schema.runs,
                schema.budgets,
                schema.reservations,
                schema.ledger,
            )
        }
    _check_pool(findings, tables["segments"], arrays, ProjectId(project), history, promised)
    _check_annotations(findings, tables["annotations"], history, promised)
    _check_leases(findings, tables, promised)
    _check_learning(findings, tables, promised)
    findings.breaches += replayed_books(tables["ledger"], tables["reservations"], tables["budgets"])
    limits = sum(1 for row in tables["ledger"] if row["kind"] == "set_limit" and not row["run"])
    findings.expect(promised.limits <= limits, f"{promised.limits} limits were acknowledged, {limits} are in the books")
    findings.expect(limits <= history.sent_limits, f"{history.sent_limits} limits were sent, {limits} are in the books")
    booked = sum(row["amount_labels"] for row in tables["ledger"] if row["kind"] == "settle")
    labels = sum(1 for row in tables["annotations"] if row["label"] is not None)
    findings.expect(booked == labels, f"{booked} labels were booked for {labels} annotations")
    return findings.breaches


def rows_of(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    """Return the rows that a query finds, each by the names of its columns."""
    return [dict(row) for row in connection.execute(query).mappings()]


def _check_pool(
    findings: Findings,
    segments: Sequence[Row],
    arrays: PoolStore,
    project: ProjectId,
    history: ProjectHistory,
    promised: Acknowledged,
) -> None:
    next_row = 0
    for segment in sorted(segments, key=lambda s: s["first_row"]):
        findings.expect(segment["first_row"] == next_row, f"row {next_row} is in no segment or in two")
        next_row = segment["first_row"] + segment["row_count"]
    arrays.refresh(project)
    rows: dict[int, str] = {}
    for block in arrays.scan_keys(project):
        for row, item_id in zip(block.rows_n.tolist(), block.item_ids, strict=True):
            findings.expect(row not in rows, f"row {row} is stored twice")
            if row < next_row:
                rows[row] = item_id
    findings.expect(len(rows) == next_row, f"{next_row} rows are committed, {len(rows)} are in the pool")
    present = Counter(rows.values())
    findings.expect_none([i for i, n in present.items() if n > 1], "items are in the pool twice")
    findings.expect_none(promised.items - set(present), "acknowledged items are lost")
    findings.expect_none(set(present) - history.sent_items, "items are there that nobody sent")
    embedded = {int(r) for block in arrays.scan_embeddings(project) for r in block.rows_n}
    findings.expect_none(set(range(next_row)) - embedded, "rows have lost their embedding")


def _check_annotations(
    findings: Findings, annotations: Sequence[Row], history: ProjectHistory, promised: Acknowledged
) -> None:
    given = (row for row in annotations if not row["run"] or row["kind"] == "human")
    answers = Counter((row["item_id"], row["annotator"]) for row in given)
    findings.expect_none([a for a, n in answers.items() if n > 1], "annotations are doubled")
    findings.expect_none(promised.annotations - set(answers), "acknowledged annotations are lost")
    people = {a for a in answers if not a[1].startswith("replay:")}
    findings.expect_none(people - history.sent_annotations, "annotations are there that nobody sent")
    for row in annotations:
        if row["label"] is None:
            continue
        item_id, annotator = row["item_id"], row["annotator"]
        right = label_of(item_id) if annotator.startswith("replay:") else answer_of(item_id, annotator)
        findings.expect(row["label"] == right, f"{annotator} said {right} about {item_id}, kept is {row['label']}")
    by_run = Counter((row["run"], row["row"], row["annotator"]) for row in annotations if row["run"])
    findings.expect_none([a for a, n in by_run.items() if n > 1], "annotations of a run are doubled")


def _check_leases(findings: Findings, tables: dict[str, list[Row]], promised: Acknowledged) -> None:
    active = {row["id"] for row in tables["leases"] if row["state"] == "active"}
    findings.expect_none(promised.leases - {row["id"] for row in tables["leases"]}, "acknowledged leases are lost")
    held = Counter(
        (row["batch"], row["row"]) for row in tables["lease_items"] if row["lease"] in active and not row["answered"]
    )
    findings.expect_none([p for p, n in held.items() if n > OVERLAP], "items are on more leases than the overlap")
    answered: Counter[tuple[str, int]] = Counter()
    for row in tables["annotations"]:
        answered[row["batch"], row["row"]] += not row["run"]
    for pick in tables["picks"]:
        place = (pick["batch"], pick["row"])
        if not pick["run"]:
            taken = held[place] + answered[place]
            findings.expect(
                pick["slots_taken"] == taken, f"pick {place} counts {pick['slots_taken']} slots, {taken} are in use"
            )
    holders = {row["reservation"] for row in tables["leases"] if row["state"] == "active"}
    idle = [r for r in tables["reservations"] if r["open"] and not r["run"] and r["id"] not in holders]
    findings.expect_none([r["id"] for r in idle], "reservations are open that no lease holds")


def _check_learning(findings: Findings, tables: dict[str, list[Row]], promised: Acknowledged) -> None:
    versions = {row["version"]: row["labels"] for row in tables["models"]}
    findings.expect(sorted(versions) == list(range(1, len(versions) + 1)), "model versions have holes")
    lost = {v for v, labels in promised.models.items() if versions.get(v) != labels}
    findings.expect_none(lost, "acknowledged model versions are lost or changed")
    runs = {row["id"]: row for row in tables["runs"]}
    findings.expect_none(promised.runs.keys() - runs.keys(), "acknowledged runs are lost")
    labels = Counter(row["run"] for row in tables["annotations"] if row["label"] is not None)
    for run, limit in promised.runs.items():
        findings.expect(labels[run] <= limit, f"run {run} has {labels[run]} labels, its limit is {limit}")
    for run in promised.ended_runs:
        state = runs[run]["state"] if run in runs else "lost"
        findings.expect(state in ("finished", "failed"), f"run {run} had ended, now it is {state}")
    ended = {run for run, row in runs.items() if row["state"] in ("finished", "failed")}
    left = [r["id"] for r in tables["reservations"] if r["open"] and r["run"] in ended]
    findings.expect_none(left, "reservations of ended runs are still open")

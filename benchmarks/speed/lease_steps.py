"""CPU of the units of work of a lease and its answers alone, without gRPC and event loop.

    python -m benchmarks.speed.lease_steps --store sqlite
    python -m benchmarks.speed.lease_steps --store postgres --statements

Leases of ten items and calls that answer them run on one thread, sixteen to a commit, as where many annotators wait for
each other. Replies are not stored. Prints what a cycle of the two takes, in ms of CPU of the thread and of PostgreSQL,
as median and least of the repeats; with ``--statements`` how often each statement runs in a cycle.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import psycopg
from sqlalchemy.engine.interfaces import Dialect

from benchmarks.speed.leases import cpu_of, processes_of_postgres
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.leases import Leased, Leases
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.labeling.submissions import Submissions
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.store.sql.group_commit import Committer, Work
from nextlabel.server.store.sql.postgres import PostgresCommitter
from nextlabel.server.store.sql.sqlite import SqliteCommitter, connect
from nextlabel.server.store.sql.statements import Statement
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.limits import Limits
from tests.crash.killable.servers import postgres
from tests.store import values as v

ITEMS = 10
TOGETHER = 16
PROJECT = replace(v.project(), overlap=2)
ANNOTATORS = cycle([f"annotator-{i}" for i in range(64)])


class Annotating:
    """Leases and answers, group after group."""

    def __init__(self) -> None:
        clock = SystemClock()
        self._leases = Leases(clock, _new_id, Budgets(clock, _new_id), Limits())
        self._submissions = Submissions(self._leases)

    def work(self, store: Committer, groups: int) -> None:
        """Commit so many groups of leases, each followed by one of their answers."""
        for _ in range(groups):
            names = list(islice(ANNOTATORS, TOGETHER))
            leased = _committed(store, [self._lease(name) for name in names])
            _committed(store, [self._answers(name, lease) for name, lease in zip(names, leased, strict=True)])

    def _lease(self, name: str) -> Work:
        return lambda tx: self._leases.lease(tx, PROJECT, name, ITEMS)

    def _answers(self, name: str, leased: Leased) -> Work:
        answers = [Submission(pick.item_id, Label("a")) for pick in leased.picks]
        known = KnownRows({pick.item_id: pick.row for pick in leased.picks}, {})
        return lambda tx: self._submissions.submit(tx, PROJECT, name, leased.lease.id, answers, known)


def _new_id() -> str:
    return uuid.uuid4().hex


def _committed(store: Committer, units: Sequence[Work]) -> list[Any]:
    store.begin()
    results = [store.run(unit) for unit in units]
    store.commit()
    if isinstance(store, PostgresCommitter):
        # What it has open is opened anew for the next group.
        store.close()
    return results


@contextmanager
def _store(kind: str, folder: Path, items: int) -> Iterator[Committer]:
    """Yield the committer of a new database with so many open picks."""
    with ExitStack() as stack:
        path = folder / "state.db"
        url = stack.enter_context(postgres(folder / "postgres")) if kind == "postgres" else f"sqlite:///{path}"
        state = open_state_store(url)
        asyncio.run(state.write(lambda tx: _fill(tx, items)))
        asyncio.run(state.close())
        if kind == "sqlite":
            yield SqliteCommitter(connect(path))
        else:
            db = stack.enter_context(psycopg.connect(url.replace("+psycopg", "")))
            yield PostgresCommitter(lambda: nullcontext(db), PROJECT.id)


def _fill(tx: Transaction, items: int) -> None:
    tx.projects.insert(PROJECT)
    tx.labeling.add_batch(v.batch(), [v.pick(row) for row in range(items)])


@contextmanager
def _counted() -> Iterator[Counter[str]]:
    """Count how often each statement is run, by its text."""
    counts: Counter[str] = Counter()
    compiled = Statement.compiled

    def counting(statement: Statement, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        found = compiled(statement, dialect)
        counts[" ".join(found[0].split())] += 1
        return found

    with patch.object(Statement, "compiled", counting):
        yield counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--groups", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--statements", action="store_true")
    options = parser.parse_args()
    cycles = options.groups * TOGETHER
    with tempfile.TemporaryDirectory(prefix="nextlabel-lease-steps-") as name:
        folder = Path(name)
        with _store(options.store, folder, cycles * ITEMS * (options.repeats + 2)) as store:
            annotating = Annotating()
            annotating.work(store, options.groups)
            took: list[tuple[float, float]] = []
            for _ in range(options.repeats):
                others = processes_of_postgres(folder)
                before = time.thread_time(), cpu_of(others)
                annotating.work(store, options.groups)
                took.append((time.thread_time() - before[0], cpu_of(others) - before[1]))
            with _counted() as counts:
                annotating.work(store, 1)
    for what, seconds in zip(("server", "PostgreSQL"), zip(*took, strict=True), strict=True):
        each = [s / cycles * 1_000 for s in seconds]
        print(f"{what}: {median(each):.2f} ms of CPU a cycle, at least {min(each):.2f}")
    print(f"{counts.total() / TOGETHER:.0f} statements a cycle")
    for text, times in counts.most_common() if options.statements else ():
        print(f"{times / TOGETHER:6.2f}  {text[:110]}")


if __name__ == "__main__":
    main()

"""A ledger and a batch journal in one SQLite file, for tests that kill the process."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from nextlabel.server.values.errors import BudgetExhausted
from nextlabel.server.values.ids import ReservationId
from nextlabel.server.values.money.costs import BudgetDimension, Cost, Usage
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer

_SCHEMA = """
create table if not exists reservations (id integer primary key, key text unique, worst integer, open integer);
create table if not exists settled (reservation integer unique, actual integer);
create table if not exists answers (key text primary key, reply_id text, raw blob, facts text);
create table if not exists intents (id text primary key, body text, batch_id text, open integer);
"""


class RepeatedPaymentError(Exception):
    """An answer that was settled already has been bought again."""


class DurableLedger:
    """Implements `Ledger` and `BatchJournal` with a limit in micro-dollars."""

    def __init__(self, path: Path, limit_micro_usd: int) -> None:
        self.limit = limit_micro_usd
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.executescript(_SCHEMA)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("begin immediate")
        try:
            yield self._db
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def spent(self) -> int:
        return int(self._db.execute("select coalesce(sum(actual), 0) from settled").fetchone()[0])

    def reserved(self) -> int:
        query = "select coalesce(sum(worst), 0) from reservations where open"
        return int(self._db.execute(query).fetchone()[0])

    def open_reservations(self) -> int:
        return int(self._db.execute("select count(*) from reservations where open").fetchone()[0])

    def settlements(self) -> int:
        return int(self._db.execute("select count(*) from settled").fetchone()[0])

    async def reserve(self, key: str, worst: Cost, line: str) -> ReservationId:
        with self._transaction() as db:
            found = db.execute("select id from reservations where key = ? and open", (key,)).fetchone()
            if found:
                return ReservationId(str(found[0]))
            if self.spent() + self.reserved() + worst.micro_usd > self.limit:
                raise BudgetExhausted(BudgetDimension.MICRO_USD, self.limit, line=line)
            db.execute("delete from reservations where key = ?", (key,))
            row = db.execute(
                "insert into reservations (key, worst, open) values (?, ?, 1)", (key, worst.micro_usd)
            ).lastrowid
        return ReservationId(str(row))

    async def settle(self, reservation: ReservationId, actual: Cost, answer: StoredAnswer | None) -> None:
        with self._transaction() as db:
            db.execute("update reservations set open = 0 where id = ?", (int(reservation),))
            db.execute("insert into settled values (?, ?)", (int(reservation), actual.micro_usd))
            if answer is None:
                return
            facts = json.dumps(
                [dict(answer.keys), asdict(answer.usage), asdict(answer.cost), answer.request_id, answer.latency_ms]
            )
            for key, reply_id in answer.keys.items():
                if db.execute("select 1 from answers where key = ?", (key,)).fetchone():
                    raise RepeatedPaymentError(key)
                db.execute("insert into answers values (?, ?, ?, ?)", (key, reply_id, answer.raw, facts))

    async def release(self, reservation: ReservationId) -> None:
        with self._transaction() as db:
            db.execute("update reservations set open = 0 where id = ?", (int(reservation),))

    async def find_answer(self, key: str) -> StoredAnswer | None:
        row = self._db.execute("select raw, facts from answers where key = ?", (key,)).fetchone()
        if row is None:
            return None
        keys, usage, cost, request_id, latency_ms = json.loads(row[1])
        return StoredAnswer(keys, row[0], Usage(**usage), Cost(**cost), request_id, latency_ms)

    async def intend(self, intent: MessageBatchIntent) -> None:
        body = json.dumps(
            {
                "intent_id": intent.intent_id,
                "created_at": intent.created_at,
                "requests": {custom_id: dict(keys) for custom_id, keys in intent.requests.items()},
                "worst": {custom_id: asdict(worst) for custom_id, worst in intent.worst.items()},
                "line": intent.line,
                "model": intent.model,
                "origin": intent.origin,
            }
        )
        with self._transaction() as db:
            db.execute("insert into intents values (?, ?, '', 1)", (intent.intent_id, body))

    async def submitted(self, intent_id: str, batch_id: str) -> None:
        with self._transaction() as db:
            db.execute("update intents set batch_id = ? where id = ?", (batch_id, intent_id))

    async def finished(self, intent_id: str) -> None:
        with self._transaction() as db:
            db.execute("update intents set open = 0 where id = ?", (intent_id,))

    async def open_intents(self) -> Sequence[MessageBatchIntent]:
        rows = self._db.execute("select body, batch_id from intents where open order by rowid").fetchall()
        intents = []
        for body, batch_id in rows:
            facts = json.loads(body)
            worst = {custom_id: Cost(**cost) for custom_id, cost in facts.pop("worst").items()}
            intents.append(MessageBatchIntent(**facts, worst=worst, batch_id=batch_id))
        return intents

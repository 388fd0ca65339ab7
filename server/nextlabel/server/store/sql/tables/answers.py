"""Paid answers under their content-addressed keys, and the message batches still to be paid, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from sqlalchemy.dialects.postgresql import insert

from nextlabel.server.store import codec
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.statements import Connection, Statement
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer

_ANSWER = Row(StoredAnswer, schema.answers)
_answers = schema.answers.c
_keys = schema.answer_keys.c
_intents = schema.batch_intents.c

_ADD_ANSWER = Statement(
    sa.insert(schema.answers)
    .values({name: p(name) for name in ["project", "at", *[c.name for c in _ANSWER.columns]]})
    .returning(_answers.seq)
)
_ADD_KEY = Statement(insert(schema.answer_keys).on_conflict_do_nothing())
_ANSWER_BY_KEY = Statement(
    sa.select(*_ANSWER.columns)
    .select_from(schema.answer_keys.join(schema.answers, _keys.answer == _answers.seq))
    .where(_keys.project == p("project"), _keys.key == p("key"))
)
_put_intent = insert(schema.batch_intents).values({n: p(n) for n in ("project", "intent_id", "intent")})
_PUT_INTENT = Statement(
    _put_intent.on_conflict_do_update(
        index_elements=["project", "intent_id"], set_={"intent": _put_intent.excluded.intent}
    )
)
_INTENTS = Statement(sa.select(_intents.intent).where(_intents.project == p("project")).order_by(_intents.seq))
_DELETE_INTENT = Statement(
    sa.delete(schema.batch_intents).where(_intents.project == p("project"), _intents.intent_id == p("intent"))
)


class SqlAnswers:
    """The part of the books that keeps replies and batches in flight."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    def put(self, project: ProjectId, answer: StoredAnswer, at: datetime) -> None:
        """Keep an answer under each of its keys; the first answer to a key stays."""
        values = {"project": project, "at": codec.to_micros(at), **_ANSWER.bind(answer)}
        [(seq,)] = self._sql.all(_ADD_ANSWER, values)
        self._sql.run_many(_ADD_KEY, [{"project": project, "key": key, "answer": seq} for key in sorted(answer.keys)])

    def get(self, project: ProjectId, key: str) -> StoredAnswer | None:
        """Return the answer kept under a key."""
        found = self._sql.first(_ANSWER_BY_KEY, {"project": project, "key": key})
        return _ANSWER.load_first(found)

    def put_intent(self, project: ProjectId, intent: MessageBatchIntent) -> None:
        """Insert or replace the record of a message batch."""
        text = codec.dumps(MessageBatchIntent, intent)
        self._sql.run(_PUT_INTENT, {"project": project, "intent_id": intent.intent_id, "intent": text})

    def intents(self, project: ProjectId) -> Sequence[MessageBatchIntent]:
        """Return the records of unfinished message batches, oldest first."""
        return [codec.loads(MessageBatchIntent, text) for (text,) in self._sql.all(_INTENTS, {"project": project})]

    def delete_intent(self, project: ProjectId, intent: str) -> None:
        """Forget a finished message batch."""
        self._sql.run(_DELETE_INTENT, {"project": project, "intent": intent})

"""Tokens and stored replies in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from sqlalchemy.dialects.postgresql import insert
from typing_extensions import override

from nextlabel.server.ports.tables.access import AccessTable
from nextlabel.server.store.codec import to_micros
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.statements import Connection, Statement
from nextlabel.server.values.access import AccessToken, StoredReply
from nextlabel.server.values.errors import Aborted

_TOKEN = Row(AccessToken, schema.access_tokens)
_REPLY = Row(StoredReply, schema.replies)
_tokens = schema.access_tokens.c
_replies = schema.replies.c

_ADD_TOKEN = Statement(sa.insert(schema.access_tokens).values({c.name: p(c.name) for c in _TOKEN.columns}))
_TOKEN_BY_HASH = Statement(sa.select(*_TOKEN.columns).where(_tokens.token_hash == p("token_hash")))
_TOKENS = Statement(sa.select(*_TOKEN.columns).order_by(_tokens.seq))
_REVOKE = Statement(
    sa.update(schema.access_tokens)
    .where(_tokens.id == p("of"))
    .values(revoked_at=sa.func.coalesce(_tokens.revoked_at, p("at", type_=sa.BigInteger())))
)
_REPLY_TO = Statement(
    sa.select(*_REPLY.columns).where(_replies.request_id == p("request_id"), _replies.principal == p("principal"))
)
_PUT_REPLY = Statement(insert(schema.replies).on_conflict_do_nothing())
_FORGET = Statement(sa.delete(schema.replies).where(_replies.created_at < p("before")))


class SqlAccess(AccessTable):
    """Tokens and stored replies."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @override
    def add_token(self, token: AccessToken) -> None:
        self._sql.run(_ADD_TOKEN, _TOKEN.bind(token))

    @override
    def token_by_hash(self, token_hash: str) -> AccessToken | None:
        found = self._sql.first(_TOKEN_BY_HASH, {"token_hash": token_hash})
        return _TOKEN.load_first(found)

    @override
    def tokens(self) -> Sequence[AccessToken]:
        return [_TOKEN.load(r) for r in self._sql.all(_TOKENS, {})]

    @override
    def revoke_token(self, token: str, at: datetime) -> bool:
        return self._sql.run(_REVOKE, {"of": token, "at": to_micros(at)}) == 1

    @override
    def reply(self, request_id: str, principal: str) -> StoredReply | None:
        found = self._sql.first(_REPLY_TO, {"request_id": request_id, "principal": principal})
        return _REPLY.load_first(found)

    @override
    def put_reply(self, reply: StoredReply) -> None:
        if not self._sql.run(_PUT_REPLY, _REPLY.bind(reply)):
            raise Aborted("another call with the same request_id was answered first; repeat to get its answer")

    @override
    def forget_replies(self, before: datetime) -> int:
        return self._sql.run(_FORGET, {"before": to_micros(before)})

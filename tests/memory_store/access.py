"""Tokens and stored replies in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from typing_extensions import override

from nextlabel.server.ports.tables.access import AccessTable
from nextlabel.server.values.access import AccessToken, StoredReply
from nextlabel.server.values.errors import Aborted
from tests.memory_store.contents import Contents


class MemoryAccess(AccessTable):
    """Tokens and stored replies."""

    def __init__(self, contents: Contents) -> None:
        self._all = contents

    @override
    def add_token(self, token: AccessToken) -> None:
        if token.id in self._all.tokens or self.token_by_hash(token.token_hash):
            raise Aborted("the token was added by a concurrent call")
        self._all.tokens[token.id] = token

    @override
    def token_by_hash(self, token_hash: str) -> AccessToken | None:
        return next((t for t in self._all.tokens.values() if t.token_hash == token_hash), None)

    @override
    def tokens(self) -> Sequence[AccessToken]:
        return list(self._all.tokens.values())

    @override
    def revoke_token(self, token: str, at: datetime) -> bool:
        present = self._all.tokens.get(token)
        if present is None:
            return False
        self._all.tokens[token] = replace(present, revoked_at=present.revoked_at or at)
        return True

    @override
    def reply(self, request_id: str, principal: str) -> StoredReply | None:
        return self._all.replies.get((request_id, principal))

    @override
    def put_reply(self, reply: StoredReply) -> None:
        if (reply.request_id, reply.principal) in self._all.replies:
            raise Aborted("another call with the same request_id was answered first; repeat to get its answer")
        self._all.replies[reply.request_id, reply.principal] = reply

    @override
    def forget_replies(self, before: datetime) -> int:
        old = [key for key, reply in self._all.replies.items() if reply.created_at < before]
        for key in old:
            del self._all.replies[key]
        return len(old)

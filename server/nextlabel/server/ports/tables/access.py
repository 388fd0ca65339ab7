"""Tokens and stored replies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from nextlabel.server.values.access import AccessToken, StoredReply


class AccessTable(Protocol):
    """Tokens and stored replies."""

    def add_token(self, token: AccessToken) -> None:
        """Add a token."""
        ...

    def token_by_hash(self, token_hash: str) -> AccessToken | None:
        """Return the token with that hash."""
        ...

    def tokens(self) -> Sequence[AccessToken]:
        """Return all tokens, oldest first."""
        ...

    def revoke_token(self, token: str, at: datetime) -> bool:
        """Revoke a token; False when there is none with that id."""
        ...

    def reply(self, request_id: str, principal: str) -> StoredReply | None:
        """Return the stored reply to a request."""
        ...

    def put_reply(self, reply: StoredReply) -> None:
        """Store a reply; raise Aborted when a concurrent call stored one first."""
        ...

    def forget_replies(self, before: datetime) -> int:
        """Delete replies created before a time; return how many."""
        ...

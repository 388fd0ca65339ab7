"""Tokens with their roles, and the replies kept for repeated calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The first answer to a mutating call, replayed when its ``request_id`` comes again."""

    request_id: str
    principal: str
    method: str
    fingerprint: str
    reply: bytes
    created_at: datetime


class Role(StrEnum):
    """What a token's holder may do."""

    READER = "reader"
    ANNOTATOR = "annotator"
    PRODUCER = "producer"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token; only its hash is kept. An empty ``project`` is every project.

    ``annotators`` are the names that its bearer may answer as; none for any name.
    """

    id: str
    token_hash: str
    name: str
    role: Role
    project: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    annotators: tuple[str, ...] = ()

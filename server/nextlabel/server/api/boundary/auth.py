"""Who is calling: bearer tokens and client certificates.

A token's secret is 256 random bits, so its plain SHA-256 is stored: there is nothing to guess that a slow hash would
protect, and the lookup by hash takes the same time for every wrong secret.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cachetools import LRUCache

from nextlabel.server.api.boundary.admission import Arrivals
from nextlabel.server.api.boundary.calls import Principal
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.access import AccessToken, Role
from nextlabel.server.values.errors import Unauthenticated

_SECRET_PREFIX = "nlt_"  # noqa: S105 -- marks secrets for scanners, is none itself
_MAX_SECRET_CHARS = 256
_UNKNOWN_LOOKUPS = 4
_GOOD_TOKENS = 4_096

LOCAL = Principal(id="local", name="local", role=Role.ADMIN)


def new_secret() -> str:
    """Return a new secret of a token."""
    return _SECRET_PREFIX + secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """Return what is stored instead of a secret: its SHA-256 in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


class TokenSource(Protocol):
    """Where tokens are looked up."""

    async def token_by_hash(self, token_hash: str) -> AccessToken | None:
        """Return the token whose secret has this hash."""
        ...


class TokenLookup:
    """Looks tokens up so that secrets that nobody was given cannot keep the store from those that are good.

    Only a few unknown secrets are looked up at a time; those that were good before go ahead of them. Every call looks
    its token up anew, so that a revoked one ends at once.
    """

    def __init__(self, tokens: TokenSource, queue: Arrivals) -> None:
        self._tokens = tokens
        self._queue = queue
        self._turn = asyncio.Semaphore(_UNKNOWN_LOOKUPS)
        self._good: LRUCache[str, None] = LRUCache(_GOOD_TOKENS)

    async def token_by_hash(self, token_hash: str) -> AccessToken | None:
        """Return the token whose secret has this hash.

        Raises:
            OverdueRequestError, ResourceExhausted: too many unknown secrets are being looked up.
        """
        if token_hash in self._good:
            token = await self._tokens.token_by_hash(token_hash)
        else:
            async with self._queue.waiting(), self._turn:
                token = await self._tokens.token_by_hash(token_hash)
        if token is None or token.revoked_at is not None:
            self._good.pop(token_hash, None)
        else:
            self._good[token_hash] = None
        return token


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller showed: the values of its `authorization` headers, and the verified names of its certificate."""

    authorization: Sequence[str] = ()
    certificate_names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Turns credentials into a principal.

    With `required` false every caller without a token is the local administrator: for loopback only.
    `admin_secret` is a token out of the settings, for the time before there are others. `certificate_roles` gives a
    role to the bearers of client certificates by their common or alternative name.
    """

    tokens: TokenSource
    clock: Clock
    required: bool
    admin_secret: str | None = None
    certificate_roles: Mapping[str, Role] = field(default_factory=dict)

    async def principal(self, credentials: Credentials) -> Principal:
        """Return who is calling.

        Raises:
            Unauthenticated: no credentials where some are needed, or any that are not valid. The answer does not tell
                unknown, expired and revoked tokens apart.
        """
        if credentials.authorization:
            return await self._bearer(_secret(credentials.authorization))
        for name in credentials.certificate_names:
            if role := self.certificate_roles.get(name):
                own = (name,) if role is Role.ANNOTATOR else ()
                return Principal(id=f"certificate/{name}", name=name, role=role, annotators=own)
        if self.required:
            raise Unauthenticated(
                "this server needs a token; send it as metadata `authorization: Bearer SECRET`",
                reason="CREDENTIALS_MISSING",
            )
        return LOCAL

    async def _bearer(self, secret: str) -> Principal:
        shown = secret_hash(secret)
        if self.admin_secret and hmac.compare_digest(shown, secret_hash(self.admin_secret)):
            return Principal(id="settings", name="settings", role=Role.ADMIN)
        token = await self.tokens.token_by_hash(shown)
        if token is None or not hmac.compare_digest(shown, token.token_hash) or not self._valid(token):
            raise _invalid()
        return Principal(token.id, token.name, token.role, token.project, token.annotators)

    def _valid(self, token: AccessToken) -> bool:
        expired = token.expires_at is not None and token.expires_at <= self.clock.now()
        return token.revoked_at is None and not expired


def certificate_names(auth_context: Mapping[str, Iterable[bytes]]) -> list[str]:
    """Return the names in the certificate of a peer; empty for peers without a verified one."""
    keys = ("x509_common_name", "x509_subject_alternative_name")
    return [name.decode(errors="replace") for key in keys for name in auth_context.get(key, ())]


def _secret(authorization: Sequence[str]) -> str:
    scheme, _, secret = authorization[0].partition(" ")
    if scheme.lower() != "bearer" or not secret or len(secret) > _MAX_SECRET_CHARS:
        raise _invalid()
    return secret


def _invalid() -> Unauthenticated:
    return Unauthenticated(
        "the token is not valid; send one as metadata `authorization: Bearer SECRET`", reason="TOKEN_INVALID"
    )

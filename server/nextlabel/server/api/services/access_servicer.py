"""AccessService over the store."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nextlabel.server.api.boundary.auth import new_secret, secret_hash
from nextlabel.server.api.boundary.idempotency import Replies
from nextlabel.server.api.messages.values import page, time_of, timestamp
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.access import AccessToken, Role
from nextlabel.server.values.errors import InvalidArgument, NotFound
from nextlabel.server.values.limits import Limits
from nextlabel.v1 import access_service_pb2 as pb
from nextlabel.v1.access_service_pb2_grpc import AccessServiceServicer

_ROLES = {
    Role.READER: pb.ROLE_READER,
    Role.ANNOTATOR: pb.ROLE_ANNOTATOR,
    Role.PRODUCER: pb.ROLE_PRODUCER,
    Role.OPERATOR: pb.ROLE_OPERATOR,
    Role.ADMIN: pb.ROLE_ADMIN,
}

_ANY_NAME = "*"


@dataclass(frozen=True, slots=True)
class AccessServicer(AccessServiceServicer):
    """Translates calls about tokens."""

    store: StateStore
    replies: Replies
    clock: Clock
    new_id: Callable[[], str]
    limits: Limits

    async def CreateToken(self, request: pb.CreateTokenRequest, context: Any) -> pb.CreateTokenResponse:
        """Create a token; its secret is in this response and nowhere else, the stored reply included."""
        secret = new_secret()
        token = self._new_token(request, secret)

        def work(tx: Transaction) -> pb.CreateTokenResponse:
            if token.project and tx.projects.by_name(token.project) is None:
                raise NotFound("project", token.project)
            tx.access.add_token(token)
            return pb.CreateTokenResponse(token=_message(token))

        response = await self.replies.once(request, pb.CreateTokenResponse, work)
        if response.token.token_id == token.id:
            response.secret = secret
        return response

    def _new_token(self, request: pb.CreateTokenRequest, secret: str) -> AccessToken:
        longest = self.limits.class_name_bytes
        if not request.name.isprintable() or not 1 <= len(request.name.encode()) <= longest:
            raise InvalidArgument.field("name", f"give a name of 1 to {longest} printable characters")
        now = self.clock.now()
        expires = time_of(request.expire_time, "expire_time") if request.HasField("expire_time") else None
        if expires is not None and expires <= now:
            raise InvalidArgument.field("expire_time", "must lie in the future")
        return AccessToken(
            id=self.new_id(),
            token_hash=secret_hash(secret),
            name=request.name,
            role=_role_of(request.role),
            project=request.project,
            created_at=now,
            expires_at=expires,
            revoked_at=None,
            annotators=self._annotators(request),
        )

    def _annotators(self, request: pb.CreateTokenRequest) -> tuple[str, ...]:
        """Return the names that the bearer may answer as; none for any name."""
        names, longest = tuple(dict.fromkeys(request.annotators)), self.limits.class_name_bytes
        for i, name in enumerate(names):
            if not name.isprintable() or not 1 <= len(name.encode()) <= longest:
                raise InvalidArgument.field(f"annotators[{i}]", f"give a name of 1 to {longest} printable characters")
        if _ANY_NAME in names:
            return ()
        return names or ((request.name,) if request.role == pb.ROLE_ANNOTATOR else ())

    async def ListTokens(self, request: pb.ListTokensRequest, context: Any) -> pb.ListTokensResponse:
        """List the tokens, newest first."""
        tokens = await self.store.read(lambda tx: [*reversed(tx.access.tokens())])
        messages, next_page = page(tokens, request.page_token, request.page_size, _message)
        return pb.ListTokensResponse(tokens=messages, next_page_token=next_page)

    async def RevokeToken(self, request: pb.RevokeTokenRequest, context: Any) -> pb.RevokeTokenResponse:
        """Revoke a token. One that was revoked before stays as it is."""
        now = self.clock.now()

        def work(tx: Transaction) -> pb.RevokeTokenResponse:
            token = next((t for t in tx.access.tokens() if t.id == request.token_id), None)
            if token is None:
                raise NotFound("token", request.token_id)
            if token.revoked_at is None:
                tx.access.revoke_token(token.id, now)
                token = replace(token, revoked_at=now)
            return pb.RevokeTokenResponse(token=_message(token))

        return await self.replies.once(request, pb.RevokeTokenResponse, work)


def _role_of(message: pb.Role.ValueType) -> Role:
    for role, known in _ROLES.items():
        if known == message:
            return role
    raise InvalidArgument.field("role", f"must be one of {', '.join(role.name for role in _ROLES)}")


def _message(token: AccessToken) -> pb.Token:
    return pb.Token(
        token_id=token.id,
        name=token.name,
        role=_ROLES[token.role],
        project=token.project,
        annotators=token.annotators,
        create_time=timestamp(token.created_at),
        expire_time=timestamp(token.expires_at),
        revoke_time=timestamp(token.revoked_at),
    )

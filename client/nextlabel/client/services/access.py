"""Tokens and roles."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from nextlabel.client.literals import RoleName
from nextlabel.client.messages.enums import enum_value
from nextlabel.client.transport.calls import Mode, OfServer, Service, call, stream
from nextlabel.v1 import access_service_pb2 as pb
from nextlabel.v1.access_service_pb2_grpc import AccessServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.access_service_pb2_grpc import AccessServiceAsyncStub


class Access(Service[Mode, OfServer]):
    """Creates and revokes bearer tokens."""

    @cached_property
    def _stub(self) -> "AccessServiceAsyncStub":
        return AccessServiceStub(self._connection.channel)

    @call
    async def create_token(
        self,
        name: str,
        role: RoleName,
        *,
        project: str = "",
        expires: datetime | None = None,
        annotators: Sequence[str] = (),
    ) -> pb.CreateTokenResponse:
        """Create a token; its `secret` is shown here and never again.

        `role` is reader, annotator, producer, operator or admin. Without `project` it is good for all of them.
        `annotators` are the names that its bearer may answer as, `*` for any: by default the token's own name for an
        annotator, and any name for the other roles.
        """
        expire_time = None
        if expires is not None:
            expire_time = Timestamp()
            expire_time.FromDatetime(expires)
        request = pb.CreateTokenRequest(
            name=name,
            role=enum_value(pb.Role, role, "role"),
            project=project,
            expire_time=expire_time,
            annotators=annotators,
        )
        return await self._connection.unary(self._stub.CreateToken, request)

    @stream
    async def list_tokens(self) -> AsyncIterator[Sequence[pb.Token]]:
        """The tokens without their secrets, newest first."""
        request = pb.ListTokensRequest()
        async for page in self._connection.pages(self._stub.ListTokens, request, lambda page: page.tokens):
            yield page

    @call
    async def revoke_token(self, token_id: str) -> pb.Token:
        """Revoke a token at once."""
        request = pb.RevokeTokenRequest(token_id=token_id)
        return (await self._connection.unary(self._stub.RevokeToken, request)).token

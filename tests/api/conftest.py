"""A real gRPC server in the test's own event loop, with the servicers that the test brings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from nextlabel.server.api.boundary.auth import secret_hash
from nextlabel.server.api.boundary.health import Probe
from nextlabel.server.api.boundary.server import ApiServer
from nextlabel.server.settings.settings import load_settings
from nextlabel.server.values.access import AccessToken, Role

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class ManualClock:
    """A clock that the test moves."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time


@dataclass
class Tokens:
    """Tokens in a dictionary; the secret of each is its name."""

    by_hash: dict[str, AccessToken] = field(default_factory=dict)

    def add(self, name: str, role: Role, project: str = "", expires_in: timedelta | None = None) -> AccessToken:
        token = AccessToken(
            id=f"id-{name}",
            token_hash=secret_hash(name),
            name=name,
            role=role,
            project=project,
            created_at=NOW,
            expires_at=NOW + expires_in if expires_in else None,
            revoked_at=None,
        )
        self.by_hash[token.token_hash] = token
        return token

    async def token_by_hash(self, token_hash: str) -> AccessToken | None:
        return self.by_hash.get(token_hash)


@dataclass
class Serving:
    """A server under test and a channel to it."""

    api: ApiServer
    channel: grpc.aio.Channel
    address: str
    registry: CollectorRegistry

    def calls(self, method: str, code: str) -> float:
        """How many calls of a method ended with a code."""
        labels = {"method": method, "code": code}
        return self.registry.get_sample_value("nextlabel_grpc_calls_total", labels) or 0.0


Serve = Callable[..., Awaitable[Serving]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
async def serve(clock: ManualClock, tokens: Tokens) -> AsyncIterator[Serve]:
    """Start servers with given servicers, probes and settings; all end with the test."""
    async with AsyncExitStack() as stack:

        async def start(
            servicers: Mapping[str, object] | None = None,
            *,
            probes: Mapping[str, Probe] | None = None,
            credentials: grpc.ChannelCredentials | None = None,
            **overrides: Any,
        ) -> Serving:
            registry = CollectorRegistry()
            settings = load_settings(
                {"bind": "127.0.0.1:0", "api": {"drain_s": 0.1} | overrides.pop("api", {})} | overrides
            )
            api = ApiServer(settings, servicers or {}, probes or {}, tokens, clock, registry)
            address = f"127.0.0.1:{await api.start()}"
            stack.push_async_callback(api.drain)
            options = [("grpc.ssl_target_name_override", "localhost")]
            channel = (
                grpc.aio.secure_channel(address, credentials, options=options)
                if credentials
                else grpc.aio.insecure_channel(address)
            )
            await stack.enter_async_context(channel)
            return Serving(api, channel, address, registry)

        yield start

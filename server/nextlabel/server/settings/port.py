"""Settings of the gRPC port: its transport, its callers, its bounds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from nextlabel.client.transport.pem_files import check_pem_files
from nextlabel.server.system.settings_section import Count, Seconds, Section
from nextlabel.server.values.access import Role


class TlsSettings(Section):
    """Transport security of the gRPC port. Files are read again when a certificate is renewed."""

    certificate: Path | None = None
    """Certificate chain of the server, PEM."""

    key: Path | None = None
    """Private key of the server, PEM."""

    client_ca: Path | None = None
    """Certificate authority of clients, PEM; with it every client must show a certificate (mTLS)."""

    client_roles: Mapping[str, Role] = Field(default_factory=dict)
    """Roles of clients by the name in their certificate; others need a token."""

    @property
    def enabled(self) -> bool:
        """True when the server speaks TLS."""
        return self.certificate is not None

    def check_files(self) -> None:
        """See whether the files can be used. Raises ValueError, which names the one that cannot, and why."""
        try:
            check_pem_files(ca=self.client_ca, certificate=self.certificate, key=self.key)
        except ValueError as error:
            raise ValueError(f"tls: {error}") from error

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; give both or neither")
        if self.client_ca and not self.certificate:
            raise ValueError("client_ca needs certificate and key")
        if self.client_roles and not self.client_ca:
            raise ValueError("client_roles needs client_ca, or certificates would not be verified")
        return self


class AuthSettings(Section):
    """Who may call."""

    required: bool | None = None
    """Whether every call needs a token or a certificate with a role; by default beyond loopback only."""

    admin_token: SecretStr | None = None
    """Secret of an administrator, for the time before there are tokens."""


class ApiSettings(Section):
    """Behaviour and limits of the gRPC port."""

    max_message_bytes: int = Field(default=16 * 1024 * 1024, ge=64 * 1024, le=256 * 1024 * 1024)
    """Largest message taken, in bytes."""

    concurrent_calls: Count = 512
    """Unary calls under way at a time; more are answered RESOURCE_EXHAUSTED."""

    concurrent_calls_per_caller: Count = 384
    """The same for one caller."""

    concurrent_streams: Count = 256
    """Streams under way at a time; as many streams that only watch have places of their own."""

    concurrent_streams_per_caller: Count = 192
    """The same for one caller."""

    connections: Count = 4_096
    """Connections at a time; never more than half of the files that the process may have open."""

    calls_per_connection: Count = 128
    """Calls under way on one connection; clients keep more waiting on their side."""

    request_wait_s: Seconds = 60.0
    """Longest time from the beginning of a call to its first request."""

    unknown_request_wait_s: Seconds = 5.0
    """The same for calls that need no token, such as health checks."""

    default_deadline_s: Seconds = 600.0
    """Longest time of a unary call whose client set no deadline."""

    drain_s: Seconds = 30.0
    """Time that calls under way get to finish when the server stops."""

    min_ping_interval_s: Seconds = 20.0
    """Clients that ping more often are cut off."""

    keepalive_s: Seconds = 60.0
    """Time after which a silent connection is pinged."""

    max_connection_age_s: Seconds = 1800.0
    """Age at which connections are closed in order, so that clients spread over replicas anew."""

    reflection: bool = True
    """Whether the API describes itself to tools such as grpcurl."""

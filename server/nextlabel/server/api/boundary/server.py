"""The gRPC server: its services, options and credentials, its start and its end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import grpc
import structlog
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from nextlabel.server.api.boundary.admission import Places
from nextlabel.server.api.boundary.auth import Authenticator, TokenLookup, TokenSource
from nextlabel.server.api.boundary.boundary import Boundary
from nextlabel.server.api.boundary.health import Probe, ServiceHealth
from nextlabel.server.api.boundary.metrics import CallMetrics
from nextlabel.server.api.boundary.services import SERVICES
from nextlabel.server.ports.system import Clock
from nextlabel.server.settings.port import TlsSettings
from nextlabel.server.settings.settings import Settings
from nextlabel.server.system.addresses import cannot_listen
from nextlabel.server.system.open_files import open_files_allowed

_log = structlog.get_logger(__name__)


class ApiServer:
    """A gRPC server with the boundary before and the health of every service beside its servicers."""

    def __init__(
        self,
        settings: Settings,
        servicers: Mapping[str, object],
        probes: Mapping[str, Probe],
        tokens: TokenSource,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        """`servicers` and `probes` go by full service name. A service without a servicer answers UNIMPLEMENTED."""
        self.health = ServiceHealth(probes)
        self._settings = settings
        self._boundary = _boundary(settings, tokens, clock, registry)
        self._server = grpc.aio.server(interceptors=[self._boundary], options=_options(settings))
        self._watching: asyncio.Task[None] | None = None
        for name, service in SERVICES.items():
            service.add(servicers.get(name) or service.unimplemented(), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, self._server)
        if settings.api.reflection:
            names = [*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, self._server)

    def listen_inside(self, socket: Path) -> str:
        """Serve on a unix socket as well, for the pages of this process; call before `start`. Return its address."""
        address = f"unix:{socket}"
        self._server.add_insecure_port(address)
        return address

    async def start(self) -> int:
        """Open the port and serve; return its number, 0 for unix sockets.

        Raises:
            BindError: the port is in use or the address is not of this machine.
            ValueError: a file of TLS cannot be used.
        """
        port = _bind(self._server, self._settings.bind, self._settings.tls)
        await self.health.check()
        await self._server.start()
        self._watching = asyncio.create_task(self.health.watch())
        return port

    async def drain(self) -> None:
        """Take nothing new, let calls under way finish within the grace time, then close the port."""
        if self._watching:
            self._watching.cancel()
        await self.health.drain()
        self._boundary.drain()
        await self._server.stop(self._settings.api.drain_s)


def _boundary(settings: Settings, tokens: TokenSource, clock: Clock, registry: CollectorRegistry) -> Boundary:
    admin_token = settings.auth.admin_token
    places = Places.of(settings.api)
    authenticator = Authenticator(
        TokenLookup(tokens, places.unknown_tokens),
        clock,
        required=settings.tokens_required,
        admin_secret=admin_token.get_secret_value() if admin_token else None,
        certificate_roles=settings.tls.client_roles,
    )
    return Boundary(
        authenticator,
        places,
        CallMetrics(registry),
        default_deadline_s=settings.api.default_deadline_s,
        limits=settings.limits.limits(),
    )


def _bind(server: grpc.aio.Server, address: str, tls: TlsSettings) -> int:
    try:
        if tls.enabled:
            return server.add_secure_port(address, _server_credentials(tls))
        return server.add_insecure_port(address)
    except RuntimeError as error:
        raise cannot_listen(address) from error


def _options(all_settings: Settings) -> list[tuple[str, int]]:
    settings = all_settings.api
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        # Connections must leave files to the stores.
        ("grpc.max_allowed_incoming_connections", min(settings.connections, open_files_allowed() // 2)),
        ("grpc.max_concurrent_streams", settings.calls_per_connection),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Otherwise a second server on the same port would silently get half of the connections.
        ("grpc.so_reuseport", int(all_settings.workers > 1)),
        ("grpc.keepalive_time_ms", _ms(settings.keepalive_s)),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(settings.min_ping_interval_s)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_connection_age_ms", _ms(settings.max_connection_age_s)),
        ("grpc.max_connection_age_grace_ms", _ms(settings.drain_s)),
        ("grpc.http2.max_ping_strikes", 2),
    ]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _server_credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """Return credentials that follow the files: a renewed certificate counts from the next handshake on."""
    files = [path for path in (tls.certificate, tls.key, tls.client_ca) if path]
    seen = _stamps(files)

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal seen
        try:
            now = _stamps(files)
            if now == seen:
                return None
            configuration = _certificates(tls)
        except OSError:
            # In the middle of a renewal files may be missing; the certificate in use stays.
            return None
        except ValueError as error:
            _log.warning("certificate_kept", reason=str(error))
            configuration = None
        seen = now
        return configuration

    # The type stubs leave out None, by which gRPC documents "no change".
    fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", renewed)
    return grpc.dynamic_ssl_server_credentials(
        _certificates(tls), fetch, require_client_authentication=tls.client_ca is not None
    )


def _certificates(tls: TlsSettings) -> grpc.ServerCertificateConfiguration:
    if tls.certificate is None or tls.key is None:
        raise ValueError("tls.certificate and tls.key are not set")
    tls.check_files()
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    client_ca = tls.client_ca.read_bytes() if tls.client_ca else None
    return grpc.ssl_server_certificate_configuration([pair], client_ca)


def _stamps(files: Sequence[Path]) -> list[tuple[int, int]]:
    return [(status.st_mtime_ns, status.st_size) for status in (path.stat() for path in files)]

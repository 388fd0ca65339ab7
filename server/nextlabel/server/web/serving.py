"""Serves the pages on a port of their own, within a running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from pathlib import Path

import grpc
import uvicorn

from nextlabel.server.system.addresses import BindError, host_of, is_loopback, port_of
from nextlabel.server.web.app import web_app
from nextlabel.server.web.boundary.backend import Backend
from nextlabel.server.web.boundary.connections import bounded_connections

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class WebAddress:
    """Where the pages are served: ``HOST:PORT``, port 0 for a free one; names that browsers may use for it; TLS."""

    bind: str
    hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None

    @property
    def host(self) -> str:
        """The host without the port."""
        return host_of(self.bind)

    @property
    def names(self) -> frozenset[str]:
        """All names that a browser may know this server by."""
        own = _LOOPBACK_NAMES if is_loopback(self.bind) else frozenset({self.host})
        return own | {host.lower() for host in self.hosts}


@contextlib.asynccontextmanager
async def serving(address: WebAddress, channel: grpc.aio.Channel, server: str) -> AsyncIterator[str]:
    """Serve the pages over ``channel`` within the block; the value is their URL.

    Raises:
        BindError: the address cannot be bound.
    """
    listening = _listening(address)
    backend = Backend(channel, server)
    pages = _Server(
        uvicorn.Config(
            web_app(backend, address.names),
            http=bounded_connections(),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            ssl_certfile=address.certificate,
            ssl_keyfile=address.key,
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(pages.serve([listening]), name="web")
    scheme = "https" if address.certificate else "http"
    host = f"[{address.host}]" if ":" in address.host else address.host
    try:
        yield f"{scheme}://{host}:{listening.getsockname()[1]}"
    finally:
        pages.should_exit = True
        await serving
        await backend.close()


class _Server(uvicorn.Server):
    """Leaves signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _listening(address: WebAddress) -> socket.socket:
    port = port_of(address.bind)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise BindError(
            f"the pages cannot be served on {address.bind} ({error.strerror}); "
            "choose another address with --web HOST:PORT, or --no-web"
        ) from error
    return listening

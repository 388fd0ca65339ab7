"""A running server: parts, servicers and the gRPC port, from the first connection to the last."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from nextlabel.server.api.boundary.health import BACKGROUND, Probe
from nextlabel.server.api.boundary.server import ApiServer
from nextlabel.server.api.boundary.services import SERVICES
from nextlabel.server.api.services.servicers import StoredTokens, servicers
from nextlabel.server.operations.metrics_port import serve_metrics
from nextlabel.server.operations.state_metrics import StateMetrics
from nextlabel.server.settings.settings import Settings
from nextlabel.server.system.addresses import BindError
from nextlabel.server.system.worker_processes import Worker
from nextlabel.server.values.errors import Unavailable
from nextlabel.server.wiring.parts import Parts, open_parts
from nextlabel.server.wiring.span_export import exported_spans

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def running(settings: Settings, inside: Path | None = None) -> AsyncIterator[int]:
    """Serve within the block; the value is the port number (0 for unix sockets).

    ``inside`` is a unix socket to serve on as well.

    Raises:
        DomainError: the stores cannot be opened.
        BindError: the address cannot be bound.
    """
    parts = await asyncio.to_thread(open_parts, settings)
    try:
        registry = CollectorRegistry()
        api = ApiServer(
            settings,
            servicers(parts),
            _probes(parts),
            StoredTokens(parts.base.store),
            parts.base.clock,
            registry,
        )
        if inside is not None:
            api.listen_inside(inside)
        port = await api.start()
        parts.start()
        try:
            _serve_metrics(settings, registry, parts)
            yield port
        finally:
            await api.drain()
    finally:
        await parts.close()


async def serve(settings: Settings, on_ready: Callable[[int, str], None], worker: Worker | None = None) -> None:
    """Serve until SIGTERM or SIGINT; calls under way are finished before this returns.

    ``on_ready`` is told the port, and the URL of the pages, '' without them. Of several workers the first one serves
    the pages; each ends with its supervisor.
    """
    stop = _stop_event(worker)
    with exported_spans(settings.tracing), tempfile.TemporaryDirectory(prefix="nextlabel-") as private:
        pages_here = settings.web.bind and (worker is None or worker.number == 0)
        inside = Path(private) / "api.sock" if pages_here else None
        async with running(settings, inside) as port, _pages(settings, inside) as url:
            _log.info("serving", bind=settings.bind, port=port, pages=url, data_dir=str(settings.data_dir))
            _collect_seldom()
            on_ready(port, url)
            await stop.wait()
            _log.info("draining")
    _log.info("stopped")


def _stop_event(worker: Worker | None) -> asyncio.Event:
    """Return what is set when the server should stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def orphaned(lifeline: int) -> None:
        loop.remove_reader(lifeline)
        stop.set()

    if worker is not None:
        loop.add_reader(worker.lifeline, orphaned, worker.lifeline)
    return stop


@contextlib.asynccontextmanager
async def _pages(settings: Settings, inside: Path | None) -> AsyncIterator[str]:
    """Serve dashboard and labeling page within the block; the value is their URL, '' without them.

    Raises:
        BindError: the address that was asked for cannot be bound.
    """
    if inside is None or settings.web.bind is None:
        yield ""
        return
    from nextlabel.client.transport.channel import open_channel
    from nextlabel.server.web.serving import WebAddress, serving

    tls = settings.tls
    address = WebAddress(settings.web.bind, settings.web.hosts, tls.certificate, tls.key)
    async with contextlib.AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(serving(address, open_channel(f"unix:{inside}", None), settings.bind))
        except BindError as error:
            if "web" in settings.model_fields_set:
                raise
            # Nobody asked for this address: another server on this machine may well have it.
            _log.warning("no_pages", reason=str(error))
            url = ""
        yield url


def _collect_seldom() -> None:
    # A collection stops all calls: what is loaded by now stays and need not be walked, and values die by their counts.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)


def _probes(parts: Parts) -> dict[str, Probe]:
    async def store_answers() -> None:
        await parts.base.store.read(lambda tx: tx.projects.list("", 1))

    async def background_works() -> None:
        if failing := parts.base.background.failing:
            raise Unavailable(f"background work fails: {', '.join(failing)}", reason="BACKGROUND_WORK_FAILS")

    return {**dict.fromkeys(SERVICES, store_answers), BACKGROUND: background_works}


def _serve_metrics(settings: Settings, registry: CollectorRegistry, parts: Parts) -> None:
    bind = settings.metrics.bind
    if not bind:
        return
    StateMetrics(parts, registry).start()
    serve_metrics(bind, registry)

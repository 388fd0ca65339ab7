"""`nextlabel web`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextlabel.server.cli.errors import reported


@reported
def web(
    server: Annotated[str, typer.Option(help="HOST:PORT of the gRPC server.")] = "127.0.0.1:50051",
    ca: Annotated[Path | None, typer.Option(help="Certificate authority of the server, PEM; it means TLS.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Call the server with TLS.")] = False,
    bind: Annotated[str, typer.Option(help="HOST:PORT of the pages; port 0 takes a free one.")] = "127.0.0.1:50080",
    hosts: Annotated[
        list[str] | None, typer.Option("--host", help="A name that browsers may know this server by; repeatable.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="Certificate chain of the pages, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="Private key of the pages, PEM.")] = None,
) -> None:
    """Serve dashboard and labeling page of a server elsewhere; whoever looks brings a token of their own.

    Example: nextlabel web --server labels.example.org:50051 --tls
    """
    from nextlabel.server.system.event_loop import run

    run(_serve(server, ca, tls or ca is not None, bind, tuple(hosts or ()), certificate, key))


async def _serve(
    server: str,
    ca: Path | None,
    tls: bool,
    bind: str,
    hosts: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
) -> None:
    import asyncio
    import signal

    from nextlabel.client.transport.channel import Tls, open_channel
    from nextlabel.server.system.addresses import checked_bind, is_loopback
    from nextlabel.server.values.errors import InvalidArgument
    from nextlabel.server.web.serving import WebAddress, serving

    if not is_loopback(checked_bind(bind)) and certificate is None:
        raise InvalidArgument.field(
            "--bind", f"{bind} can be reached from other machines: give --certificate and --key, or bind to 127.0.0.1"
        )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    channel = open_channel(server, Tls(ca) if tls else None)
    async with serving(WebAddress(bind, hosts, certificate, key), channel, server) as url:
        typer.echo(f"dashboard and labeling page of {server}: {url}")
        await stop.wait()

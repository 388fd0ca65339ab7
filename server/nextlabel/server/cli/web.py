"""`nextlabel web`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.server.cli.errors import reported

if TYPE_CHECKING:
    from nextlabel.client.transport.channel import Tls
    from nextlabel.server.web.serving import WebAddress


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
    from nextlabel.client.transport.channel import Tls
    from nextlabel.client.transport.pem_files import check_pem_files
    from nextlabel.server.settings.settings import SettingsError
    from nextlabel.server.system.event_loop import run
    from nextlabel.server.values.errors import InvalidArgument
    from nextlabel.server.web.serving import WebAddress

    if (certificate is None) != (key is None):
        raise InvalidArgument.field("--certificate", "goes with --key; give both or neither")
    try:
        check_pem_files(ca=ca, certificate=certificate, key=key)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    run(_serve(WebAddress(bind, tuple(hosts or ()), certificate, key), server, Tls(ca) if tls or ca else None))


async def _serve(pages: WebAddress, server: str, tls: Tls | None) -> None:
    import asyncio
    import signal

    from nextlabel.client.transport.channel import open_channel
    from nextlabel.server.system.addresses import checked_bind, is_loopback
    from nextlabel.server.values.errors import InvalidArgument
    from nextlabel.server.web.serving import serving

    if not is_loopback(checked_bind(pages.bind)) and pages.certificate is None:
        raise InvalidArgument.field(
            "--bind",
            f"{pages.bind} can be reached from other machines: give --certificate and --key, or bind to 127.0.0.1",
        )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    channel = open_channel(server, tls)
    async with serving(pages, channel, server) as url:
        typer.echo(f"dashboard and labeling page of {server}: {url}")
        await stop.wait()

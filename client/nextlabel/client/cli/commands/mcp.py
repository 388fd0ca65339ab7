"""`nextlabel mcp`: let an assistant work with a server."""

from typing import Annotated

import typer

from nextlabel.client.cli.session import session

EPILOG = "Example: nextlabel --token TOKEN mcp"


def mcp(
    ctx: typer.Context,
    http: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="Serve over HTTP on this port of 127.0.0.1. (default: standard input)"),
    ] = None,
) -> None:
    """Offer tools of the Model Context Protocol, so that an assistant can label and start runs.

    The assistant has the rights of the token, and no run passes the budgets of its project.
    """
    try:
        from nextlabel.client.agents.server import agent_server
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is not installed; run: pip install 'nextlabel[mcp]'") from None
    with session(ctx).connect() as client:
        server = agent_server(client)
        if http is None:
            server.run("stdio")
        else:
            server.run("streamable-http", host="127.0.0.1", port=http)

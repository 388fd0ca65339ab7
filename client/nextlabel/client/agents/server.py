"""The server of the Model Context Protocol over the tools."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from nextlabel.client.agents.tools import INSTRUCTIONS, Tools
from nextlabel.client.errors import NextlabelError

if TYPE_CHECKING:
    from nextlabel.client.clients import Client


def agent_server(client: "Client") -> MCPServer[Any]:
    """A server whose tools call the service with the client's token."""
    server: MCPServer[Any] = MCPServer("nextlabel", instructions=INSTRUCTIONS, log_level="WARNING")
    for tool in Tools(client).all():
        server.add_tool(_told(tool))
    return server


def _told(tool: Callable[..., Any]) -> Callable[..., Any]:
    """The tool, whose errors are the sentences that the service wrote for people."""

    @functools.wraps(tool)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return tool(*args, **kwargs)
        except (NextlabelError, ValueError) as error:
            raise ToolError(str(error)) from error

    return called

"""An assistant labels, trains and asks, over a real session of the protocol with a real server behind."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

from tests.web.conftest import Server

MCP = "import sys; from nextlabel.client.cli import main; sys.argv = ['nextlabel', *sys.argv[1:]]; main()"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory):
    server = Server(tmp_path_factory.mktemp("agents"))
    server.start()
    yield server
    server.stop()


def content_text(result: Any) -> str:
    return str(result.content[0].text)


def content(result: Any) -> Any:
    assert not result.is_error, result.content
    if result.structured_content is not None:
        return result.structured_content.get("result", result.structured_content)
    return json.loads(result.content[0].text)


async def test_an_assistant_labels_trains_and_is_told_what_is_wrong(service: Server) -> None:
    arguments = ["-c", MCP, "--server", f"127.0.0.1:{service.port}", "mcp"]
    parameters = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
    async with Client(stdio_client(parameters)) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"next_items", "submit_labels", "start_run", "report"} <= names

        async def call(tool: str, **given: Any) -> Any:
            return content(await client.call_tool(tool, given))

        await call("create_project", name="mail", classes={"bill": "about money", "other": ""})
        texts = [f"invoice number {n} is wrong" if n % 2 else f"hello there {n}" for n in range(12)]
        assert (await call("add_texts", project="mail", texts=[*texts, texts[0]]))["added"] == 12
        lease = await call("next_items", project="mail", annotator="agent", count=6)
        labels = {item["id"]: "bill" if "invoice" in item["text"] else "other" for item in lease["items"]}
        stored = await call(
            "submit_labels", project="mail", annotator="agent", labels=labels, lease_id=lease["lease_id"]
        )
        assert stored == {"stored": 6, "messages": {}}
        await call("train", project="mail")
        predicted = await call("predict", project="mail", texts=["invoice number 99 is wrong", "hello there 99"])
        assert [p["label"] for p in predicted] == ["bill", "other"]
        assert (await call("report", project="mail"))["overview"]["counts"]["labeled"] == 6

        for name, given, wanted in (
            ("report", {"project": "nowhere"}, "nowhere"),
            ("start_run", {"project": "mail", "annotator": "anthropic", "max_labels": 5, "budget_usd": 1.0}, "model"),
            ("create_project", {"name": "Mail!", "classes": {"a": "", "b": ""}}, "name"),
        ):
            refused = await client.call_tool(name, given)
            assert refused.is_error
            said = content_text(refused)
            assert wanted in said
            assert "Traceback" not in said

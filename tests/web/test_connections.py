"""Strangers who open connections to the pages and say nothing, or little, or hardly ever end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import grpc
import pytest

from nextlabel.server.system.open_files import open_files_allowed
from nextlabel.server.web.boundary.connections import BoundedConnection, bounded_connections
from nextlabel.server.web.serving import WebAddress, serving

MOST = 5
HEAD = b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 99\r\n"
POST += b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Open = Callable[[], AbstractAsyncContextManager[Streams]]


@pytest.fixture
async def connect(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """Opens a connection to the pages, which have no server behind them."""
    monkeypatch.setattr("nextlabel.server.web.boundary.connections._MOST", MOST)
    monkeypatch.setattr(BoundedConnection, "head_s", 0.05)
    monkeypatch.setattr(BoundedConnection, "body_s", 0.05)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Streams]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield reader, writer
        writer.close()

    async with serving(WebAddress("127.0.0.1:0"), grpc.aio.insecure_channel("127.0.0.1:9"), "nowhere") as url:
        port = urlsplit(url).port
        yield opened


async def everything(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize("said", [b"", HEAD, b"GET /", POST, POST + b"x"])
async def test_who_does_not_end_a_request_is_sent_away(connect: Open, said: bytes) -> None:
    async with connect() as (reader, writer):
        writer.write(said)
        assert await everything(reader) == b""


async def test_a_request_after_another_has_to_be_ended_too(connect: Open) -> None:
    async with connect() as (reader, writer):
        writer.write(HEAD + b"\r\n")
        assert (await reader.readuntil(b"\r\nNot Found")).startswith(b"HTTP/1.1 404")
        writer.write(HEAD)
        assert await everything(reader) == b""


async def test_further_connections_than_files_are_left_for_are_closed_at_once(
    connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedConnection, "head_s", 60.0)
    async with AsyncExitStack() as stack:
        for _ in range(MOST):
            await stack.enter_async_context(connect())
        reader, _ = await stack.enter_async_context(connect())
        assert await everything(reader) == b""
    assert bounded_connections().most <= open_files_allowed() // 4

"""What takes the service long is waited for by the page, which asks again instead of failing."""

from __future__ import annotations

import socket

import grpc
import httpx2
import pytest

from nextlabel.server.web.app import web_app
from nextlabel.server.web.boundary.backend import Backend
from nextlabel.server.web.dashboard import filtering, maps
from nextlabel.server.web.labeling import reviewing


@pytest.mark.parametrize(
    ("part", "path"), [(reviewing, "/doubtful"), (maps, "/map/points?from=50"), (filtering, "/filters/left-out")]
)
async def test_a_part_of_a_page_that_is_not_there_yet_asks_again(
    monkeypatch: pytest.MonkeyPatch, part: object, path: str
) -> None:
    monkeypatch.setattr(part, "PATIENCE_S", 0.05)
    here = f"/projects/tickets{path}"
    # Who listens and never answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        backend = Backend(grpc.aio.insecure_channel(f"127.0.0.1:{silent.getsockname()[1]}"), "the server")
        transport = httpx2.ASGITransport(web_app(backend, frozenset({"127.0.0.1"})))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get(here)
        await backend.close()
    assert answer.status_code == 200
    assert f'hx-get="{here}' in answer.text
    assert 'hx-trigger="load delay:' in answer.text

from collections.abc import Iterator

import pytest

from nextlabel.client import Client, connect
from tests.client.fakes import FakeServer, State


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A fake server; `server.state` is what it knows and how it fails."""
    fake = FakeServer()
    yield fake
    fake.stop()


@pytest.fixture
def state(server: FakeServer) -> State:
    return server.state


async def _no_wait(seconds: float) -> None:
    """Backoff without waiting."""


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with connect(server.address) as connected:
        connected._connection._pause = _no_wait
        yield connected


@pytest.fixture
def news(client: Client) -> str:
    """A project with two classes."""
    client.projects.create("news", labels=["sports", "politics"])
    return "news"

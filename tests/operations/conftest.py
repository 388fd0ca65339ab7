from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from nextlabel.client import AsyncClient, connect_async
from nextlabel.client.cli import main
from nextlabel.server.app import running
from nextlabel.server.settings.settings import Settings, load_settings

Serving = Callable[[Path], AbstractAsyncContextManager[AsyncClient]]


def settings_of(data_dir: Path) -> Settings:
    return load_settings({"data_dir": data_dir, "bind": "127.0.0.1:0", "compute": {"threads": 1}})


@pytest.fixture
def serving() -> Serving:
    """Serve a data directory; the value is a client."""

    @asynccontextmanager
    async def served(data_dir: Path) -> AsyncIterator[AsyncClient]:
        async with running(settings_of(data_dir)) as port, connect_async(f"127.0.0.1:{port}") as client:
            yield client

    return served


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def create(client: AsyncClient, name: str = "news") -> None:
    await client.projects.create(name, labels=["a", "b"], embeddings_given=True, dimension=4)


async def add(client: AsyncClient, first: int, count: int, name: str = "news") -> None:
    """Add items ``item{first}`` and so on."""
    numbers = range(first, first + count)
    items = [{"id": f"item{i}", "text": f"text {i}"} for i in numbers]
    matrix = np.array([[i % 2, i % 3, 1, 0] for i in numbers], np.float16)
    await client.pool.add(name, items, embeddings=matrix)


async def item_ids(client: AsyncClient, name: str = "news") -> list[str]:
    return [detail.item.id async for detail in client.pool.list(name)]


def exit_code(*arguments: str) -> object:
    """Run the command line; return the code it ends with."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code

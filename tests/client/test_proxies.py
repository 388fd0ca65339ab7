"""What a proxy gets to see."""

import socket
import threading
from collections.abc import Iterator

import pytest

from nextlabel.client import connect
from nextlabel.client.transport.channel import channel_options
from tests.client.fakes import FakeServer


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What connected to the proxy that the environment names."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    seen.append(connection.recv(1_000).decode(errors="replace"))

        threading.Thread(target=accept, daemon=True).start()
        for name in ("http_proxy", "https_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listening.getsockname()[1]}")
        for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield seen
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_to_this_machine_goes_through_a_proxy(server: FakeServer, proxied: list[str], host: str) -> None:
    with connect(f"{host}:{server.address.rpartition(':')[2]}", token="nl_secret") as client:
        assert list(client.projects.list()) == []
    assert proxied == []


@pytest.mark.parametrize(
    ("server", "encrypted", "may"),
    [
        ("127.0.0.1:1", True, False),
        ("[::1]:1", True, False),
        ("localhost:1", False, False),
        ("example.org:1", False, False),
        ("example.org:1", True, True),
    ],
)
def test_only_what_is_encrypted_may_go_through_a_proxy(server: str, encrypted: bool, may: bool) -> None:
    assert dict(channel_options(server, encrypted=encrypted))["grpc.enable_http_proxy"] == may

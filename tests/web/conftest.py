"""A real server with its pages, in a process of its own, and a browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import grpc
import httpx2
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.api.services.conftest import Api

SERVE = "import sys; from nextlabel.client.cli import main; sys.argv = ['nextlabel', 'serve', *sys.argv[1:]]; main()"
ADMIN = "the-token-of-the-tests"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A server with pages; it may be killed and started again at the same addresses."""

    data_dir: Path
    tokens: bool = False
    port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def start(self) -> None:
        arguments = ["--data-dir", str(self.data_dir), "--bind", f"127.0.0.1:{self.port}"]
        arguments += ["--web", f"127.0.0.1:{self.web_port}"]
        environment = dict(os.environ)
        if self.tokens:
            environment |= {"NEXTLABEL_AUTH__REQUIRED": "true", "NEXTLABEL_AUTH__ADMIN_TOKEN": ADMIN}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *arguments], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        assert str(self.port) in self.process.stdout.readline()
        assert self.url in self.process.stdout.readline()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def api(self) -> Api:
        return Api(grpc.insecure_channel(f"127.0.0.1:{self.port}"))


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A server of one test, which may kill it."""
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without tokens."""
    server = Server(tmp_path_factory.mktemp("open"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for tokens."""
    server = Server(tmp_path_factory.mktemp("guarded"), tokens=True)
    server.start()
    yield server
    server.stop()


@contextmanager
def visitor(server: Server, *, token: str = "", name: str = "ann") -> Iterator[httpx2.Client]:
    """A browser without scripts, logged in."""
    with httpx2.Client(
        base_url=server.url, headers={"origin": server.url}, follow_redirects=True, timeout=60
    ) as client:
        answer = client.post("/login", data={"token": token, "name": name})
        assert answer.status_code == 200, answer.text
        yield client


def violations(html: str) -> list[str]:
    """What a page has that the content security policy would block."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            values = dict(attrs)
            if tag == "script" and "src" not in values and values.get("type") != "application/json":
                found.append("inline script")
            for name, value in attrs:
                if name.startswith("on") or name == "style":
                    found.append(f"{tag} {name}")
                if name in ("src", "href", "action") and not (value or "").startswith(("/", "?", "#")):
                    found.append(f"{tag} {name}={value}")

    Reader().feed(html)
    return found


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium, installed where that is possible."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    subprocess.run(["apt-get", "update", "-qq"], check=False)
    subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=False)
    found = shutil.which("chromium")
    assert found, "the tests of the pages need Chromium: install it, for example with apt-get install chromium"
    return found


@pytest.fixture(scope="module")  # while it is open, no other test of the process can run an event loop
def browser(chromium: str) -> Iterator[Browser]:
    """A browser for all tests of the pages."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()

"""The labeling page out of the built wheel: it is served with every file that it names."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest

from nextlabel.client import connect
from tests.web.conftest import Server, visitor
from tests.web.test_labeling_page import project_of

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"""["'(]((?:/static/|\./|/manifest|/worker)[\w./-]+)["')]""")
PAGES = ("", "/label", "/review", "/audit", "/map", "/datasheet", "/accuracy", "/annotators", "/routes")


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    built = tmp_path / "built"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    return tmp_path / "site"


def named_files(client: httpx2.Client, path: str) -> dict[str, int]:
    """The files that a page names, and those that they name, each with the bytes that come for it."""
    found: dict[str, int] = {}
    waiting = [path]
    while waiting:
        within = waiting.pop()
        answer = client.get(within)
        assert answer.status_code == 200, within
        if within != path:
            found[within] = len(answer.content)
        named = {urljoin(within, name) for name in NAMED.findall(answer.text)} if "vendor" not in within else set()
        waiting += named - found.keys() - {*waiting, path}
    return found


def written(server: Server) -> str:
    """A project of texts, with a text to criticise."""
    project = project_of(server, "text", ("Where is it?",))
    with connect(f"127.0.0.1:{server.port}") as client:
        client.labeling.submit(project, {"item-0": "Gone."}, annotator="bob")
    return project


def test_the_labeling_page_is_served_from_the_built_wheel(
    unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(unpacked))
    where = "from nextlabel.server.web import app; print(app.__file__)"
    told = subprocess.run([sys.executable, "-c", where], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert told.stdout.startswith(str(unpacked))
    monkeypatch.chdir(tmp_path)
    server = Server(tmp_path / "data")
    server.start()
    try:
        project = server.api().filled(3)
        with visitor(server) as client:
            files: dict[str, int] = {}
            for page in PAGES:
                files |= named_files(client, f"/projects/{project}{page}")
            files |= named_files(client, f"/projects/{written(server)}/texts")
    finally:
        server.stop()
    assert all(files.values())
    assert {"/worker.js", "/manifest.webmanifest", "/static/style.css", "/static/labeling/outbox.js"} <= files.keys()
    static = ROOT / "server/nextlabel/server/web/static"
    kept = {
        f"/static/{path.relative_to(static)}" for path in static.rglob("*") if path.suffix in (".js", ".css", ".svg")
    }
    # What the service worker and the manifest are reached by has a name of its own.
    assert kept - files.keys() == {"/static/worker.js"}

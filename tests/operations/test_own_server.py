"""A server that a command starts for itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nextlabel.server.operations.own_server import ServerDiedError, own_server
from nextlabel.server.store.lockfile import LOCK_NAME

STARTER = """
import sys
from pathlib import Path
from nextlabel.server.operations.own_server import own_server
with own_server(Path(sys.argv[1])) as server:
    print(server.address, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("killed", [False, True])
def test_it_ends_with_whoever_started_it_and_leaves_the_folder_to_others(tmp_path: Path, killed: bool) -> None:
    pipe = subprocess.PIPE
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], stdin=pipe, stdout=pipe, text=True)
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline().startswith("127.0.0.1:")
        if killed:
            starter.kill()
    # Waits until the server has let go of the folder.
    subprocess.run(["flock", "--wait", "60", str(tmp_path / LOCK_NAME), "true"], check=True)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            '{"event": "begun"}\nerror: the data directory d is in use by process 7; stop it\n',
            "the data directory d is",
        ),
        ("Traceback: oh\n", "Traceback: oh"),
    ],
)
def test_a_server_that_does_not_start_is_told_by_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    stub = tmp_path / "python"
    stub.write_text(f"#!/bin/sh\nprintf '%s' '{said}' >&2\nexit 1\n")
    stub.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(stub))
    (tmp_path / "server.log").write_text("error: of an earlier start\n")
    with pytest.raises(ServerDiedError, match=f"^the server did not start: {told}"), own_server(tmp_path):
        raise AssertionError("it has not started")

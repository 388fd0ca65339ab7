import os
import subprocess
import sys
from pathlib import Path

import pytest

from nextlabel.server.store.lockfile import DirectoryLock
from nextlabel.server.values.errors import FailedPrecondition, Unavailable

HOLD = """
import sys, time
from pathlib import Path
from nextlabel.server.store.lockfile import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def holder(directory: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(FailedPrecondition, match=f"in use by process {process.pid}") as caught:
            DirectoryLock(tmp_path)
        assert caught.value.reason == "DATA_DIR_IN_USE"
        process.kill()
    DirectoryLock(tmp_path).release()


def test_a_released_directory_can_be_taken(tmp_path: Path) -> None:
    first = DirectoryLock(tmp_path / "new" / "folder")
    with pytest.raises(FailedPrecondition):
        DirectoryLock(tmp_path / "new" / "folder")
    first.release()
    DirectoryLock(tmp_path / "new" / "folder").release()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Unavailable, match=f"{directory} cannot be made: a file is in its place"):
            DirectoryLock(directory)

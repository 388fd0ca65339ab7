import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nextlabel.server.store.name_locks import NameLocks, OwnNames, SharedNames
from nextlabel.server.store.state_store import NAMES_FILE, claimed, open_state_store
from nextlabel.server.values.errors import FailedPrecondition
from tests.store.values import inserted, project

HOLD = """
import sys
from pathlib import Path
from nextlabel.server.store.name_locks import SharedNames
with SharedNames(Path(sys.argv[1])).trying("mine") as got:
    print(got, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["own", "shared"])
def names(request: pytest.FixtureRequest, tmp_path: Path) -> NameLocks:
    return OwnNames() if request.param == "own" else SharedNames(tmp_path / "names")


def test_a_name_has_one_holder_at_a_time(names: NameLocks):
    with names.trying("a") as first, names.trying("a") as second, names.trying("b") as other:
        assert (first, second, other) == (True, False, True)
    with names.trying("a") as again:
        assert again


def test_a_killed_holder_holds_nothing(tmp_path: Path):
    names = SharedNames(tmp_path / "names")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "names")]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        with names.trying("mine") as mine:
            assert not mine
        holder.send_signal(signal.SIGKILL)
    with names.trying("mine") as mine:
        assert mine


def test_the_file_of_names_stays_empty(tmp_path: Path):
    names = SharedNames(tmp_path / "names")
    for number in range(1_000):
        with names.trying(f"run/{number}"):
            pass
    assert (tmp_path / "names").stat().st_size == 0


async def test_processes_that_share_a_file_exclude_each_other_and_lose_no_write(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/state.db"
    directory = claimed(url)
    assert directory is not None
    with pytest.raises(FailedPrecondition, match="in use"):
        open_state_store(url)
    # Locks of open files tell two stores of one process apart as they do two processes.
    stores = [open_state_store(url, shared=True) for _ in range(2)]
    async with stores[0].exclusive("run/1") as mine, stores[1].exclusive("run/1") as others:
        assert (mine, others) == (True, False)

    made = [project(f"p{number:03}", f"name-{number:03}") for number in range(60)]
    await asyncio.gather(*(stores[i % 2].write(inserted(p)) for i, p in enumerate(made)))
    for store in stores:
        listed = await store.read(lambda tx: list(tx.projects.every()))
        assert sorted(p.name for p in listed) == [p.name for p in made]
        await store.close()
    assert (tmp_path / NAMES_FILE).exists()
    directory.release()

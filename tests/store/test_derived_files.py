"""What can be made again: kept beyond a restart, gone with its project, and never in the way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from nextlabel.server.store.derived_files import DerivedFiles
from tests.memory_store.state_store import MemoryStateStore
from tests.store.values import project

MADE = {"rows_n": np.arange(5), "wrong_n": np.linspace(0, 1, 5)}
NEWS = project()


async def with_a_project() -> MemoryStateStore:
    state = MemoryStateStore()
    await state.write(lambda tx: tx.projects.insert(NEWS))
    return state


async def test_what_was_kept_last_is_found_by_the_same_version_alone(tmp_path: Path) -> None:
    state = await with_a_project()
    files = DerivedFiles(tmp_path, state, "1")
    assert await files.find(NEWS.id, "doubts") is None
    await files.keep(NEWS.id, "doubts", {"rows_n": np.arange(9)})
    await files.keep(NEWS.id, "doubts", MADE)
    again = DerivedFiles(tmp_path, state, "1")
    found = await again.find(NEWS.id, "doubts")
    assert found is not None
    assert found.keys() == MADE.keys()
    assert all(np.array_equal(found[name], MADE[name]) for name in MADE)
    assert await again.find(NEWS.id, "layout") is None
    assert await DerivedFiles(tmp_path, state, "2").find(NEWS.id, "doubts") is None


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\x03\x04 cut off"])
async def test_a_damaged_file_is_none_and_is_replaced(tmp_path: Path, damage: bytes) -> None:
    files = DerivedFiles(tmp_path, await with_a_project(), "1")
    await files.keep(NEWS.id, "doubts", MADE)
    [path] = (tmp_path / NEWS.id).iterdir()
    path.write_bytes(damage)
    assert await files.find(NEWS.id, "doubts") is None
    await files.keep(NEWS.id, "doubts", MADE)
    assert await files.find(NEWS.id, "doubts") is not None


async def test_one_flipped_bit_is_found(tmp_path: Path) -> None:
    files = DerivedFiles(tmp_path, await with_a_project(), "1")
    await files.keep(NEWS.id, "doubts", MADE)
    [path] = (tmp_path / NEWS.id).iterdir()
    content = bytearray(path.read_bytes())
    content[content.index(MADE["wrong_n"].tobytes()) + 9] ^= 1
    path.write_bytes(content)
    assert await files.find(NEWS.id, "doubts") is None


async def test_what_is_made_of_a_project_that_is_deleted_meanwhile_does_not_stay(tmp_path: Path) -> None:
    state = await with_a_project()
    files = DerivedFiles(tmp_path, state, "1")
    await files.keep(NEWS.id, "layout", MADE)
    files.forget(NEWS.id)
    await state.write(lambda tx: tx.projects.delete(NEWS.id, datetime(2026, 1, 1, tzinfo=UTC)))
    await files.keep(NEWS.id, "doubts", MADE)
    assert not (tmp_path / NEWS.id).exists()


async def test_a_disk_that_takes_nothing_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    files = DerivedFiles(blocked, await with_a_project(), "1")
    await files.keep(NEWS.id, "doubts", MADE)
    assert await files.find(NEWS.id, "doubts") is None

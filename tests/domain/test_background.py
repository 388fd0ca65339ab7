"""Background work outlives its failures and never keeps a server from stopping."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nextlabel.server.domain.pool.ingest import Ingest
from nextlabel.server.system.background import Background, Report
from tests.domain.service import Service


class Failing:
    """Fails some times, then goes on."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.well = asyncio.Event()

    async def run(self, report: Report) -> None:
        if self.left:
            self.left -= 1
            raise OSError("disk")
        report(ValueError("one item"))
        self.well.set()
        await asyncio.Event().wait()


async def test_work_that_fails_is_begun_again_and_says_so() -> None:
    said: list[tuple[str, str]] = []
    background = Background(lambda name, error: said.append((name, str(error))), first_pause_s=0.0001)
    work, other = Failing(3), Failing(0)
    background.start("work", work.run)
    background.start("other", other.run)
    async with asyncio.timeout(60):
        await work.well.wait()
    assert [error for name, error in said if name == "work"] == ["disk", "disk", "disk", "one item"]
    assert background.failures == {"work": 4, "other": 1}
    assert background.failing == ["other", "work"]
    await background.stop()


async def test_a_minute_without_a_failure_is_well() -> None:
    now = 0.0
    background = Background(lambda *_: None, monotonic=lambda: now)
    work = Failing(0)
    background.start("work", work.run)
    await work.well.wait()
    assert background.failing == ["work"]
    now = 61.0
    assert background.failing == []
    await background.stop()


async def test_work_that_ends_by_itself_or_badly_does_not_keep_the_stop_waiting() -> None:
    async def bad_end(_: Report) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("cannot end")

    begun = asyncio.Event()
    background = Background(lambda *_: None)
    background.start("bad", bad_end)
    await begun.wait()
    async with asyncio.timeout(60):
        await background.stop()


async def test_a_server_whose_last_steps_fail_still_gives_its_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Service(tmp_path)
    first.parts.start()

    async def full(_: Ingest) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Ingest, "drain", full)
        with pytest.raises(OSError, match="disk full"):
            await first.close()
    second = Service(tmp_path)
    await second.close()

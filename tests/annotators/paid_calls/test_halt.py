"""A halt ends waits, once, and nothing else."""

import asyncio

import pytest

from nextlabel.server.system.halt import Halt, Halts


async def test_every_wait_ends_at_the_halt_and_none_begins_after_it() -> None:
    halt, begun = Halt(), asyncio.Event()

    async def for_ever() -> None:
        begun.set()
        await asyncio.Event().wait()

    waits = [asyncio.create_task(halt.cut_short(for_ever())) for _ in range(5)]
    await begun.wait()
    halt.call()
    halt.call()
    await asyncio.gather(*waits)
    await halt.cut_short(for_ever())


async def test_what_ends_by_itself_and_what_fails_is_left_alone() -> None:
    async def late() -> None:
        raise TimeoutError("its own")

    await Halt().cut_short(asyncio.sleep(0))
    with pytest.raises(TimeoutError, match="its own"):
        await Halt().cut_short(late())


async def test_who_waits_can_still_be_cancelled() -> None:
    waiting = asyncio.create_task(Halt().cut_short(asyncio.Event().wait()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_name_has_one_halt_until_it_is_forgotten() -> None:
    halts = Halts()
    first = halts.of("run")
    assert halts.of("run") is first
    halts.forget("run")
    assert halts.of("run") is not first

import asyncio
from dataclasses import replace

import pytest

from nextlabel.server.domain.housekeeping import maintenance
from nextlabel.server.domain.housekeeping.maintenance import Maintenance


async def test_a_pool_that_cannot_be_compacted_keeps_no_other_from_it(service, monkeypatch):
    monkeypatch.setattr(maintenance, "COMPACT_EVERY_ROWS", 0)
    damaged, sound = await service.create("damaged"), await service.create("sound")
    compacted = []

    def compact(project):
        if project == damaged.id:
            raise RuntimeError("damaged")
        compacted.append(project)

    monkeypatch.setattr(service.parts.pool.pools.arrays, "compact", compact)
    await service.parts.upkeep.maintenance.tidy()
    with pytest.raises(ExceptionGroup):
        await service.parts.upkeep.maintenance.tidy()
    assert compacted == [sound.id]


async def test_one_server_of_several_tidies_up_and_another_when_it_is_gone(service, monkeypatch):
    def no_error(error):
        raise error

    first, second = (replace(service.parts.upkeep.maintenance) for _ in range(2))
    tidied: asyncio.Queue[Maintenance] = asyncio.Queue()
    for server in (first, second):
        monkeypatch.setattr(type(server), "tidy", lambda tidying: tidied.put(tidying))
    tasks = [asyncio.create_task(server.run(no_error, every_s=0.001)) for server in (first, second)]
    assert {id(await tidied.get()) for _ in range(20)} == {id(first)}
    tasks[0].cancel()
    while await tidied.get() is not second:
        pass
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

import pytest

from nextlabel.server.domain.housekeeping import maintenance


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

"""Arrivals in a pool beside what came before them."""

from dataclasses import replace
from pathlib import Path

import pytest

from nextlabel.server.domain.pool.ingest import Ingest
from nextlabel.server.domain.reports.pool_drift import PoolDrift
from nextlabel.server.values.pool import Split
from tests.domain.conftest import FakeClock
from tests.domain.service import CLASSES, Service


class Timed(Service):
    """A server whose uploads come when the clock says."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        base, pool = self.parts.base, self.parts.pool
        self.clock = FakeClock()
        ingest = Ingest(base.store, pool.pools, base.workers.disk, self.clock, base.limits, base.signals)
        self.parts = replace(self.parts, pool=replace(pool, ingest=ingest))


@pytest.fixture
async def service(tmp_path):
    opened = Timed(tmp_path)
    yield opened
    await opened.close()


def drift_of(service):
    base = service.parts.base
    return PoolDrift(base.store, service.parts.pool.pools, base.workers.compute, service.clock)


async def arrives(service, project, name, labels, **options):
    await service.add(project, [f"{name}{n}" for n in range(len(labels))], labels=labels, upload=name, **options)


MIXED = [CLASSES[n % 3] for n in range(150)]
MOVED = [CLASSES[0]] * 150


async def test_texts_unlike_the_earlier_ones_are_told_of_and_others_are_not(service):
    project, drift = await service.create(), drift_of(service)
    await arrives(service, project, "a", MIXED)
    service.clock.advance(minutes=1)
    await arrives(service, project, "b", MIXED[:120])
    service.clock.advance(minutes=1)
    await arrives(service, project, "c", MOVED)
    # It may still grow.
    assert [one.number for one in await drift.arrivals(project.id)] == [2]
    service.clock.advance(minutes=1)
    same, moved = await drift.arrivals(project.id)
    assert (same.texts, same.earlier, same.drifted) == (120, 150, False)
    assert (moved.number, moved.texts, moved.earlier, moved.drifted) == (3, 150, 270, True)
    assert drift.drifted(project.id) == [moved]
    # Another server, or the same one after a start, finds the same.
    assert await drift_of(service).arrivals(project.id) == [same, moved]


async def test_few_texts_wait_for_more_and_what_comes_at_once_is_one_arrival(service):
    project, drift = await service.create(), drift_of(service)
    await arrives(service, project, "a", MIXED)
    for name in ("b", "c", "d"):
        service.clock.advance(minutes=1)
        await arrives(service, project, name, MIXED[:40])
        await arrives(service, project, name + "x", MIXED[:5])
    service.clock.advance(minutes=1)
    [found] = await drift.arrivals(project.id)
    assert (found.texts, found.earlier) == (135, 150)


async def test_holdout_items_are_no_arrival(service):
    project, drift = await service.create(), drift_of(service)
    await arrives(service, project, "a", MIXED)
    service.clock.advance(minutes=1)
    await arrives(service, project, "h", MOVED, split=Split.HOLDOUT)
    service.clock.advance(minutes=1)
    assert await drift.arrivals(project.id) == []


async def test_the_server_looks_by_itself_and_a_deleted_project_is_forgotten(service):
    project, drift = await service.create(), drift_of(service)
    await arrives(service, project, "a", MIXED)
    service.clock.advance(minutes=1)
    await arrives(service, project, "b", MOVED)
    errors: list[BaseException] = []
    await drift.look(errors.append)
    assert not drift.drifted(project.id)
    service.clock.advance(minutes=1)
    await drift.look(errors.append)
    assert [one.texts for one in drift.drifted(project.id)] == [150]
    assert not errors
    drift.forget(project.id)
    assert not drift.drifted(project.id)


@pytest.mark.parametrize("late", [MIXED[:5], MOVED], ids=["too few texts to compare", "texts that evaluate"])
async def test_nothing_is_looked_at_again_before_more_texts_come(service, late, monkeypatch):
    project, drift = await service.create(), drift_of(service)
    await arrives(service, project, "a", MIXED)
    service.clock.advance(minutes=1)
    await arrives(service, project, "late", late, split=Split.POOL if len(late) < 100 else Split.HOLDOUT)
    service.clock.advance(minutes=1)
    errors: list[BaseException] = []
    await drift.look(errors.append)

    def read_again(*_):
        raise AssertionError("its rows were read again")

    monkeypatch.setattr(type(service.parts.pool.pools), "open", read_again)
    monkeypatch.setattr(type(service.parts.pool.pools), "embeddings", read_again)
    await drift.look(errors.append)
    await drift.arrivals(project.id)
    assert not errors

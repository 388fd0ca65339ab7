"""The map of a pool: what is on it, and that it is the same at every look."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.reports.pool_map import layouts as pool_layouts
from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.learners.layout import Layout, lay_out
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component, Project
from tests.domain.service import CLASSES, Service

IDS = [f"i{n}" for n in range(40)]


async def project_with_items(service: Service) -> Project:
    project = await service.create()
    await service.add(project, IDS)
    await service.add(project, [f"held-{n}" for n in range(6)], split=Split.HOLDOUT, sequence=2)
    return project


async def test_items_are_shown_with_labels_predictions_and_picks(service: Service) -> None:
    project = await project_with_items(service)
    maps = service.parts.reports.maps
    bare = await maps.of(project)
    assert sorted(point.item_id for point in bare.points) == sorted(IDS)
    assert {(point.body, point.confidence, point.labeled) for point in bare.points} == {(None, None, False)}

    await service.label(project, {item_id: CLASSES[n % 3] for n, item_id in enumerate(IDS[:12])})
    await service.label(project, {"held-0": CLASSES[1]})
    version = await service.parts.learning.learning.train(project)
    batch, picks = await service.parts.learning.selector.select(project, Query(2, Component("margin"), 0.0, 1))
    found = await maps.of(project)
    assert (found.items, found.labeled, found.waiting) == (40, 12, 0)
    assert (found.batch, found.model_version) == (batch.id, version.version)
    assert [point.item_id for point in found.points if point.pick] == [point.item_id for point in found.points[:2]]
    assert {point.pick for point in found.points[:2]} == set(picks)
    by_id = {point.item_id: point for point in found.points}
    assert by_id["i0"].body == Label(CLASSES[0])
    assert (by_id["i0"].labeled, by_id["i0"].confidence) == (True, None)
    predicted = by_id["i20"]
    assert predicted.body == Label(CLASSES[2])
    assert not predicted.labeled
    assert predicted.confidence is not None
    assert 0 < predicted.confidence <= 1
    places = {point.item_id: (point.x, point.y) for point in bare.points}
    assert {point.item_id: (point.x, point.y) for point in found.points} == places


async def test_it_is_the_same_at_every_look_and_after_a_restart_and_laid_out_once(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await project_with_items(service)
    first = await service.parts.reports.maps.of(project, 10)
    assert len(first.points) == 10
    assert await service.parts.reports.maps.of(project, 10) == first
    await service.close()
    monkeypatch.delattr(pool_layouts, "lay_out")
    again = Service(tmp_path)
    assert await again.parts.reports.maps.of(project, 10) == first
    await again.close()


async def test_a_layout_is_made_once_also_when_who_asked_stops_waiting(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, made = threading.Event(), threading.Event(), []

    def waiting(embeddings: np.ndarray) -> Layout:
        begun.set()
        go_on.wait()
        made.append(lay_out(embeddings))
        return made[-1]

    monkeypatch.setattr(pool_layouts, "lay_out", waiting)
    project = await project_with_items(service)
    impatient = asyncio.create_task(service.parts.reports.maps.of(project))
    await asyncio.to_thread(begun.wait)
    impatient.cancel()
    patient = [asyncio.create_task(service.parts.reports.maps.of(project)) for _ in range(2)]
    go_on.set()
    first, second = await asyncio.gather(*patient)
    assert first == second
    assert len(made) == 1


async def test_deleted_items_leave_it_and_no_items_are_no_points(service: Service) -> None:
    empty = await service.create("empty")
    assert not (await service.parts.reports.maps.of(empty)).points
    project = await project_with_items(service)
    await service.parts.reports.maps.of(project)
    await service.parts.pool.pools.delete(project.id, IDS[:39], service.parts.base.clock.now())
    (left,) = (await service.parts.reports.maps.of(project)).points
    assert left.item_id == "i39"


async def test_items_that_wait_for_their_embedding_are_counted(service: Service) -> None:
    project = await service.create(embedding_model="never-loaded")
    waiting = IncomingItems(
        item_ids=IDS,
        texts=IDS,
        metadata=[""] * 40,
        splits=[Split.POOL] * 40,
        labels=[""] * 40,
        embeddings_nD=None,
    )
    await (await service.parts.pool.ingest.add(project, "upload", 1, waiting))
    found = await service.parts.reports.maps.of(project)
    assert (found.points, found.items, found.waiting) == ([], 0, 40)


@pytest.mark.parametrize("points", [-1, 5_001])
async def test_too_many_points_are_refused_with_the_limit(service: Service, points: int) -> None:
    project = await service.create()
    with pytest.raises(InvalidArgument, match="5000"):
        await service.parts.reports.maps.of(project, points)

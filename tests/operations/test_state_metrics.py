"""Where items stand, as Prometheus sees it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from nextlabel.server.operations.state_metrics import StateMetrics
from nextlabel.server.values.labeling.item_states import ItemState
from tests.domain.service import Service


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    opened = Service(tmp_path)
    yield opened
    await opened.close()


async def test_items_are_counted_in_every_state(service: Service) -> None:
    project = await service.create()
    await service.add(project, ["i0", "i1", "i2"])
    await service.label(project, {"i0": "left"})
    registry = CollectorRegistry()
    await StateMetrics(service.parts, registry).refresh()

    def items(state: ItemState) -> float | None:
        return registry.get_sample_value("nextlabel_items", {"project": "news", "state": state.value})

    assert {state: n for state in ItemState if (n := items(state))} == {ItemState.ANSWERED: 1, ItemState.UNLABELED: 2}


async def test_a_deleted_project_is_shown_no_longer(service: Service) -> None:
    project = await service.create()
    registry = CollectorRegistry()
    metrics = StateMetrics(service.parts, registry)
    await metrics.refresh()
    assert registry.get_sample_value("nextlabel_pool_rows", {"project": "news"}) == 0
    await service.parts.base.store.write(lambda tx: service.parts.projects.projects.delete(tx, project.name))
    await metrics.refresh()
    shown = [sample for family in registry.collect() for sample in family.samples if "project" in sample.labels]
    assert shown == []

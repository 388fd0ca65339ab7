"""Where items stand, as Prometheus sees it."""

import asyncio
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
    StateMetrics(service.parts, registry).start()

    def items(state: ItemState) -> float | None:
        return registry.get_sample_value("nextlabel_items", {"project": "news", "state": state.value})

    async with asyncio.timeout(30):
        while items(ItemState.GIVEN_UP) is None:
            await service.parts.base.signals.wait("pool/news", 0.02)
    assert {state: n for state in ItemState if (n := items(state))} == {ItemState.ANSWERED: 1, ItemState.UNLABELED: 2}

"""What is read is what was committed, or an error that says what is damaged and what to do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.values.errors import DataLoss
from nextlabel.server.values.pool import Split

IDS = [f"i{n}" for n in range(8)]
DAMAGES: list[Callable[[StoredItem], StoredItem]] = [
    lambda item: replace(item, text=item.text[:-1] + "?"),
    lambda item: replace(item, metadata='{"a": 1}'),
    lambda item: replace(item, item_id="I" + item.item_id[1:]),
    lambda item: replace(item, item_id="i0"),
]


@pytest.fixture
async def filled(service: Any) -> Any:
    project = await service.create()
    await service.add(project, IDS)
    await service.add(project, ["h0"], labels=["left"], split=Split.HOLDOUT, upload="holdout")
    return project


def damaging(service: Any, row: int, damage: Callable[[StoredItem], StoredItem], monkeypatch: Any) -> None:
    """Have the disk give back something else of one row."""
    read = service.parts.base.arrays.items

    def items(project: Any, rows: Any) -> list[StoredItem]:
        return [damage(item) if item.row == row else item for item in read(project, rows)]

    monkeypatch.setattr(service.parts.base.arrays, "items", items)


async def test_what_was_committed_is_read(service: Any, filled: Any) -> None:
    pools = service.parts.pool.pools
    assert [item.item_id for item in await pools.items(filled.id, range(9))] == [*IDS, "h0"]
    await pools.delete(filled.id, ["i3"], service.parts.base.clock.now())
    await service.add(filled, ["i3"], upload="again")
    assert [item.item_id for item in await pools.items(filled.id, range(10))] == [
        *(i for i in IDS if i != "i3"),
        "h0",
        "i3",
    ]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("row", [2, 8])
async def test_damage_is_told_and_never_served(
    service: Any, filled: Any, monkeypatch: Any, row: int, damage: Callable[[StoredItem], StoredItem]
) -> None:
    damaging(service, row, damage, monkeypatch)
    with pytest.raises(DataLoss, match=rf"row {row}\).*nextlabel doctor.*restore a backup"):
        await service.parts.pool.pools.items(filled.id, range(9))
    with pytest.raises(DataLoss):
        await service.parts.pool.pools.to_annotate(filled, [row])
    assert await service.parts.pool.pools.items(filled.id, [0, 1]), "what is sound can be read"

"""What a server says when its pool was damaged behind its back: never that there is nothing."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from nextlabel.client import NextlabelError
from tests.operations.conftest import Serving, add, create, item_ids


def lose_a_data_file(data_dir: Path) -> None:
    next(data_dir.glob("pools/*/items.lance/data/*")).unlink()


def cut_the_versions(data_dir: Path) -> None:
    for manifest in data_dir.glob("pools/*/items.lance/_versions/*"):
        manifest.write_bytes(manifest.read_bytes()[:20])


@pytest.mark.parametrize("damage", [lose_a_data_file, cut_the_versions])
async def test_a_damaged_pool_is_reported_and_takes_no_items(
    serving: Serving, data_dir: Path, damage: Callable[[Path], None]
):
    async with serving(data_dir) as client:
        await create(client)
        await add(client, 0, 10)
    damage(data_dir)
    async with serving(data_dir) as client:
        with pytest.raises(NextlabelError) as listing:
            await item_ids(client)
        assert (listing.value.code, listing.value.reason) == (grpc.StatusCode.DATA_LOSS, "POOL_DAMAGED")
        with pytest.raises(NextlabelError) as adding:
            await add(client, 10, 1)
        assert adding.value.reason == "POOL_DAMAGED"

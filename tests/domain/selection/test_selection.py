import asyncio
from dataclasses import replace

from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.values.projects.projects import Component
from tests.domain.service import CLASSES, Service

QUERY = Query(count=8, strategy=Component("random"), audit_share=0.0, seed=1)


async def test_an_item_deleted_while_it_is_selected_leaves_the_ids_of_the_others_right(service, monkeypatch):
    project = await service.create()
    await service.add(project, [f"i{n}" for n in range(30)])
    arrays = service.parts.pool.pools.arrays
    items = arrays.items

    def first_deleted(of, rows):
        arrays.delete(of, rows[:1])
        return items(of, rows)

    monkeypatch.setattr(arrays, "items", first_deleted)
    _, picks = await service.parts.learning.selector.select(project, QUERY)
    assert len(picks) == 7
    assert all(pick.item_id == f"i{pick.row}" for pick in picks)


async def test_a_batch_names_the_pool_it_was_selected_from_not_what_came_meanwhile(service, monkeypatch):
    project = await service.create()
    await service.add(project, [f"i{n}" for n in range(30)])
    arrays, loop = service.parts.pool.pools.arrays, asyncio.get_running_loop()
    scan = arrays.scan_embeddings

    def while_others_add(*given):
        asyncio.run_coroutine_threadsafe(service.add(project, ["late"], upload="late"), loop).result()
        return scan(*given)

    monkeypatch.setattr(arrays, "scan_embeddings", while_others_add)
    batch, _ = await service.parts.learning.selector.select(project, QUERY)
    assert batch.pool_rows == 30


async def test_with_a_cluster_that_has_not_been_joined_the_server_picks_the_same(tmp_path):
    picked = []
    for executor in ("threads", "ray"):
        service = Service(tmp_path / executor, compute={"executor": executor})
        project = await service.create()
        await service.add(project, [f"i{n}" for n in range(30)])
        await service.label(project, {f"i{n}": CLASSES[n % 3] for n in range(6)})
        _, picks = await service.parts.learning.selector.select(project, replace(QUERY, strategy=Component("default")))
        picked.append([pick.item_id for pick in picks])
        await service.close()
    assert picked[0] == picked[1]
    assert len(picked[0]) == 8

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


MARGIN = replace(QUERY, strategy=Component("margin"))


async def trained(service):
    project = await service.create()
    await service.add(project, [f"i{n}" for n in range(30)])
    await service.label(project, {f"i{n}": CLASSES[n % 3] for n in range(6)})
    await service.parts.learning.learning.train(project)
    return project


async def chosen_and_selected(service, project, *, meanwhile=None, query=MARGIN):
    """Choose ahead, do something, and select; return the rows that were chosen and the batch with its rows."""
    selector = service.parts.learning.selector
    ahead = await selector.choose(project, MARGIN, ())
    if meanwhile is not None:
        await meanwhile([f"i{row}" for row in ahead.selection.rows_k.tolist()])
    batch, picks = await selector.select(project, query, ahead=ahead)
    return ahead, batch, [pick.row for pick in picks]


async def test_what_was_chosen_ahead_is_what_selecting_would_have_given(service):
    project = await trained(service)
    ahead, batch, rows = await chosen_and_selected(service, project)
    assert (batch.model_version, batch.created_at, len(rows)) == (1, ahead.at, 8)
    _, picks = await service.parts.learning.selector.select(project, MARGIN)
    assert rows == ahead.selection.rows_k.tolist() == [pick.row for pick in picks]


async def test_answers_to_other_items_leave_what_was_chosen_ahead(service):
    project = await trained(service)

    async def others(ids):
        left = next(name for name in (f"i{n}" for n in range(6, 30)) if name not in ids)
        await service.label(project, {left: CLASSES[0]})

    ahead, _, rows = await chosen_and_selected(service, project, meanwhile=others)
    assert rows == ahead.selection.rows_k.tolist()


async def test_an_item_that_was_answered_meanwhile_is_not_asked_again(service):
    project = await trained(service)
    ahead, batch, rows = await chosen_and_selected(
        service, project, meanwhile=lambda ids: service.label(project, {ids[0]: CLASSES[0]})
    )
    assert int(ahead.selection.rows_k[0]) not in rows
    assert len(rows) == 8
    assert batch.created_at > ahead.at


async def test_a_newer_model_or_another_query_selects_anew(service):
    project = await trained(service)
    ahead, batch, _ = await chosen_and_selected(service, project, query=replace(MARGIN, count=5))
    assert batch.created_at > ahead.at
    ahead, batch, _ = await chosen_and_selected(
        service, project, meanwhile=lambda ids: service.parts.learning.learning.train(project)
    )
    assert (batch.model_version, ahead.model) == (2, 1)


async def test_what_is_chosen_ahead_looks_elsewhere_than_what_is_being_asked(service):
    project = await trained(service)
    selector, query = service.parts.learning.selector, replace(QUERY, count=3, strategy=Component("k_center"))
    asked = (await selector.choose(project, query, ())).selection.rows_k.tolist()
    believing = (await selector.choose(project, query, asked)).selection.rows_k.tolist()
    assert not {*asked} & {*believing}
    # What was believed is no label: who selects while nothing is asked gets what there was before.
    assert (await selector.choose(project, query, ())).selection.rows_k.tolist() == asked
    # Of what is answered already the answer counts.
    await service.label(project, {f"i{row}": CLASSES[row % 3] for row in asked})
    assert (await selector.choose(project, query, asked)).selection.rows_k.tolist() == believing


async def test_nothing_is_chosen_ahead_where_an_llm_would_be_paid_for_it(service):
    project = await trained(service)
    assert await service.parts.learning.selector.choose(project, replace(QUERY, strategy=Component("llm")), ()) is None

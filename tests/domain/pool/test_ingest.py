import asyncio

import numpy as np
import pytest

from nextlabel.server.domain.pool import ingest
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.pool.ingest_group import Receipt
from nextlabel.server.values.errors import DomainError, InvalidArgument, Unavailable
from nextlabel.server.values.pool import Split
from tests.domain.service import Service, gathered


async def counts(service, project):
    return await service.parts.reports.reports.pool_counts(project)


async def test_items_are_there_once_however_often_they_come(service):
    project = await service.create()
    first = await service.add(project, ["a", "b", "c"])
    again = await service.add(project, ["b", "c", "d"], labels=["right", "up", "left"], sequence=2)
    assert (first.accepted, first.duplicates) == (3, 0)
    assert (again.accepted, again.duplicates) == (1, 2)
    assert (await counts(service, project)).pool == 4


async def test_the_same_id_with_other_content_is_an_error_of_that_item_alone(service):
    project = await service.create()
    await service.add(project, ["a"], texts=["first"])
    receipt = await service.add(project, ["x", "a"], texts=["new", "changed"], sequence=2)
    assert receipt.accepted == 1
    assert [(e.index, e.item_id, e.problem.fault.name) for e in receipt.errors] == [(1, "a", "CONTENT_CONFLICT")]
    assert (await service.parts.pool.pools.item(project.id, "a")).text == "first"


async def test_one_message_may_repeat_an_id(service):
    receipt = await service.add(await service.create(), ["a", "a", "a"], texts=["one", "one", "two"])
    assert (receipt.accepted, receipt.duplicates, len(receipt.errors)) == (1, 1, 1)


async def test_a_wrong_message_does_not_take_others_of_its_group_with_it(service):
    project = await service.create()
    good, bad = service.add(project, ["a"]), service.add(project, [str(i) for i in range(1_001)], sequence=2)
    receipt, error = await gathered(good, _caught(bad))
    assert receipt.accepted == 1
    assert isinstance(error, InvalidArgument)
    assert await service.parts.pool.ingest.acknowledged(project, "upload") == 1


async def test_a_full_disk_fails_what_could_not_be_stored_and_nobody_waits_for_ever(service, monkeypatch):
    project = await service.create()
    arrays = service.parts.pool.pools.arrays
    append, failures = arrays.append_items, [OSError("no space left on device")]

    def full_at_first(*items):
        if failures:
            raise failures.pop()
        append(*items)

    monkeypatch.setattr(ingest, "GROUP_ROWS", 1)
    monkeypatch.setattr(arrays, "append_items", full_at_first)
    uploads = [asyncio.ensure_future(_caught(service.add(project, [name], upload=name))) for name in "abcd"]
    await asyncio.sleep(0)
    await service.parts.pool.ingest.drain()
    await asyncio.wait(uploads, timeout=1)
    assert all(upload.done() for upload in uploads)
    outcomes = [upload.result() for upload in uploads]
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable, Receipt, Receipt]


async def _caught(work):
    try:
        return await work
    except DomainError as error:
        return error


async def test_an_upload_resumes_after_its_last_acknowledged_message(service):
    project = await service.create()
    await service.add(project, ["a"], sequence=1)
    await service.add(project, ["b"], sequence=2)
    assert await service.parts.pool.ingest.acknowledged(project, "upload") == 2
    assert await service.parts.pool.ingest.acknowledged(project, "another") == 0


async def test_everything_is_there_after_a_restart(tmp_path):
    service = Service(tmp_path)
    project = await service.create()
    await service.add(project, [f"i{n}" for n in range(50)])
    await service.close()
    service = Service(tmp_path)
    again = await service.add(project, [f"i{n}" for n in range(50)], sequence=2)
    assert (again.accepted, again.duplicates) == (0, 50)
    assert (await counts(service, project)).embedded == 50
    await service.close()


@pytest.mark.parametrize("holdout_first", [True, False])
async def test_a_pool_item_that_says_what_a_holdout_item_says_is_never_asked(service, holdout_first):
    project = await service.create()
    steps = [
        lambda: service.add(project, ["h"], texts=["Turn it up!"], split=Split.HOLDOUT, upload="h"),
        lambda: service.add(project, ["p", "q"], texts=["turn  it UP", "other"]),
    ]
    for step in steps if holdout_first else reversed(steps):
        await step()
    found = await counts(service, project)
    assert (found.pool, found.holdout) == (1, 1)


async def test_holdout_and_pool_in_one_group_are_kept_apart(service):
    project = await service.create()
    await gathered(
        service.add(project, ["p"], texts=["same"]),
        service.add(project, ["h"], texts=["Same."], split=Split.GOLD, upload="h"),
    )
    assert (await counts(service, project)).pool == 0


async def test_nothing_after_a_message_that_was_not_taken_is_acknowledged(service):
    project = await service.create()
    await service.add(project, ["a"], sequence=1)
    calls = [
        _caught(service.add(project, [str(i) for i in range(1_001)], sequence=2)),
        _caught(service.add(project, ["c"], sequence=3)),
    ]
    errors = await gathered(*calls)
    assert [type(e).__name__ for e in errors] == ["InvalidArgument", "Aborted"]
    assert await service.parts.pool.ingest.acknowledged(project, "upload") == 1


async def test_given_embeddings_are_kept_at_unit_length(service):
    project = await service.create()
    incoming = IncomingItems(["a"], ["text"], [""], [Split.POOL], [""], np.full((1, 8), 3.0, np.float32))
    await (await service.parts.pool.ingest.add(project, "upload", 1, incoming))
    (stored,) = await service.parts.pool.pools.embeddings(project, [0])
    assert np.linalg.norm(stored.astype(np.float32)) == pytest.approx(1.0, abs=2e-3)


async def test_deleted_items_are_gone_for_good_and_their_ids_are_free_again(tmp_path):
    service = Service(tmp_path)
    project = await service.create()
    await service.add(project, ["a", "b", "c"])
    pools, now = service.parts.pool.pools, service.parts.base.clock.now()
    assert await pools.delete(project.id, ["b", "ghost"], now) == ["ghost"]
    assert await pools.delete(project.id, ["b"], now) == ["b"]
    again = await service.add(project, ["b"], texts=["other"], sequence=2)
    assert (again.accepted, (await pools.item(project.id, "b")).text) == (1, "other")
    await service.close()
    service = Service(tmp_path)
    assert (await counts(service, project)).pool == 3
    assert (await service.parts.pool.pools.item(project.id, "b")).text == "other"
    await service.close()


async def test_items_are_gone_even_when_the_caller_left_while_they_were_deleted(service, monkeypatch):
    project = await service.create()
    await service.add(project, ["a", "b"])
    pools, store = service.parts.pool.pools, service.parts.base.store
    write, committed = store.write, asyncio.Event()

    async def write_and_linger(work):
        done = await write(work)
        committed.set()
        await asyncio.sleep(0)
        return done

    monkeypatch.setattr(store, "write", write_and_linger)
    deleting = asyncio.create_task(pools.delete(project.id, ["a"], service.parts.base.clock.now()))
    await committed.wait()
    deleting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deleting
    async with (await pools.open(project.id)).writing:
        assert (await pools.find(project.id, ["b"])).tolist() == [1]
    assert (await pools.find(project.id, ["a"])).tolist() == [-1]
    receipt = await service.add(project, ["a"], texts=["other"], sequence=2)
    assert receipt.accepted == 1

import asyncio
from functools import partial

import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.selection.leasing import Leasing
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.runs.annotator_options import HumanOptions
from nextlabel.server.values.runs.runs import StopReason
from tests.domain.runs.test_run_engine import IDS, TRUTH, annotations, filled
from tests.domain.service import Service

pytestmark = pytest.mark.started


async def test_a_round_of_people_that_was_cut_off_before_training_is_trained(tmp_path):
    first = Service(tmp_path)
    project = await filled(first)
    first.parts.start()
    human = HumanOptions()
    starting = asyncio.create_task(
        first.replay_run(project, TRUTH, annotator=human, batch_size=4, limit=Cost(labels=8))
    )
    leased = await first.lease(project, "ann", 4)
    assert leased is not None
    starting.cancel()
    (run,) = await first.parts.base.store.read(lambda tx: tx.runs.list(project.id))
    await first.close()
    second = Service(tmp_path)
    answers = [Submission(p.item_id, Label(TRUTH[p.item_id])) for p in leased.picks]
    await second.parts.base.store.write(
        lambda tx: second.parts.labeling.submissions.submit(
            tx, project, "", leased.lease.id, answers, KnownRows({}, {})
        )
    )
    second.parts.start()
    batches = partial(second.parts.base.store.read, lambda tx: tx.labeling.batches(project.id, run.id)[1:])
    await second.until(batches)
    curve = await second.parts.reports.reports.learning_curve(project, run.id)
    assert [(m.round, m.labels) for m in curve] == [(1, 4)]
    await second.close()


async def test_people_label_what_a_human_run_asks(service):
    project = await filled(service)
    human = HumanOptions()
    running = asyncio.create_task(service.replay_run(project, TRUTH, annotator=human, limit=Cost(labels=12)))
    parts = service.parts
    while leased := await service.lease(project, "ann", 4, running):
        answers = [Submission(p.item_id, Label(TRUTH[p.item_id])) for p in leased.picks]
        await parts.base.store.write(
            lambda tx, found=leased, given=answers: parts.labeling.submissions.submit(
                tx, project, "", found.lease.id, given, KnownRows({}, {})
            )
        )
        parts.base.signals.notify(f"labeling/{project.id}")
    run = await running
    assert run.stop_reason is StopReason.BUDGET
    assert {a.kind.value for a in await annotations(service, project)} == {"human"}
    assert len(await service.parts.reports.reports.learning_curve(project, run.id)) == 2


async def test_a_run_that_asks_one_person_gives_its_items_to_nobody_else(service):
    project = await filled(service)
    running = asyncio.create_task(
        service.replay_run(project, TRUTH, annotator=HumanOptions("ann"), batch_size=4, limit=Cost(labels=4))
    )
    leased = await service.lease(project, "ann", 2)
    leasing = Leasing(service.parts.base.store, service.parts.learning.selector)
    mine = await leasing.lease(project, "bob", 9, lambda tx: service.parts.labeling.leases.lease(tx, project, "bob", 9))
    assert mine is not None
    assert leased is not None
    assert {p.batch for p in mine.picks}.isdisjoint(p.batch for p in leased.picks)
    for batch in (leased, await service.lease(project, "ann", 2)):
        answers = [Submission(p.item_id, Label(TRUTH[p.item_id])) for p in batch.picks]
        await service.parts.base.store.write(
            lambda tx, found=batch, given=answers: service.parts.labeling.submissions.submit(
                tx, project, "", found.lease.id, given, KnownRows({}, {})
            )
        )
    assert (await running).stop_reason is StopReason.BUDGET


async def answer_leased(service, project, annotator, count):
    """Lease up to so many items, as soon as there are any, and answer them."""
    parts = service.parts
    leased = await service.lease(project, annotator, count)
    answers = [Submission(p.item_id, Label(TRUTH[p.item_id])) for p in leased.picks]
    await parts.base.store.write(
        lambda tx: parts.labeling.submissions.submit(tx, project, "", leased.lease.id, answers, KnownRows({}, {}))
    )


async def test_a_run_of_people_ends_when_its_labels_are_spent_on_second_opinions(service):
    project = await service.create(overlap=2)
    await service.add(project, IDS)
    human = HumanOptions()
    running = asyncio.create_task(service.replay_run(project, TRUTH, annotator=human, limit=Cost(labels=3)))
    await answer_leased(service, project, "ann", 2)
    await answer_leased(service, project, "bob", 1)
    async with asyncio.timeout(30):
        run = await running
    assert run.stop_reason is StopReason.BUDGET
    assert [m.labels for m in await service.parts.base.store.read(lambda tx: tx.models.list(project.id))] == [2]


async def test_a_round_of_people_waits_neither_for_what_is_answered_without_a_lease_nor_for_what_is_deleted(service):
    project = await service.create()
    await service.add(project, IDS)
    human = HumanOptions()
    running = asyncio.create_task(
        service.replay_run(project, TRUTH, annotator=human, batch_size=3, max_rounds=1, limit=Cost())
    )
    parts = service.parts
    batches = await service.until(lambda: parts.base.store.read(lambda tx: tx.labeling.batches(project.id)))
    direct, _, deleted = await parts.base.store.read(lambda tx: tx.labeling.picks(batches[0].id))
    await service.label(project, {direct.item_id: TRUTH[direct.item_id]}, "ann")
    await parts.pool.pools.delete(project.id, [deleted.item_id], parts.base.clock.now())
    await answer_leased(service, project, "ann", 1)
    async with asyncio.timeout(30):
        run = await running
    assert run.stop_reason is StopReason.MAX_ROUNDS

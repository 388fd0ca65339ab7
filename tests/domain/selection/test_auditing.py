"""Draws for people: uniform whatever others answered, offered until they are labeled, and what rests on them."""

from dataclasses import replace

import numpy as np
import pytest

from nextlabel.server.assessment.estimates.figures import FigureKind
from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.selection.auditing import Auditing
from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.values.ids import new_id
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.projects.projects import Component
from tests.domain.service import CLASSES

pytestmark = pytest.mark.started

IDS = [f"i{n}" for n in range(200)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}
SAID = {item: CLASSES[n % 3] if n % 4 else CLASSES[(n + 1) % 3] for n, item in enumerate(IDS)}
"""What an LLM says, which is right of three in four."""


async def answered(service):
    project = await service.create()
    await service.add(project, IDS, labels=list(TRUTH.values()))
    await service.answer_as_llm(project, SAID)
    return project


async def lease(service, project, annotator, count):
    parts = service.parts
    labels, leases = parts.labeling.labels, parts.labeling.leases
    auditing = Auditing(
        store=parts.base.store, pools=parts.pool.pools, labels=labels, clock=parts.base.clock, new_id=new_id
    )
    return await auditing.lease(
        project,
        annotator,
        count,
        lambda tx, batch, picks: leases.lease_batch(tx, project, annotator, count, batch=batch, picks=picks),
    )


async def submit(service, project, leased, labels, *, skipped=()):
    rows = (await service.parts.pool.pools.find(project.id, [*labels, *skipped])).tolist()
    known = KnownRows(dict(zip([*labels, *skipped], rows, strict=True)), {})
    given = [Submission(item_id, Label(label)) for item_id, label in labels.items()]
    given += [Submission(item_id, None) for item_id in skipped]
    submissions = service.parts.labeling.submissions
    await service.parts.base.store.write(
        lambda tx: submissions.submit(tx, project, leased.lease.annotator, leased.lease.id, given, known)
    )


def ids(leased):
    return [pick.item_id for pick in leased.picks]


async def right(service, project, leased, *, skipped=()):
    await submit(service, project, leased, {i: TRUTH[i] for i in ids(leased) if i not in skipped}, skipped=skipped)


async def test_people_draw_from_everything_and_an_annotators_accuracy_rests_on_it(service):
    project = await answered(service)
    first = await lease(service, project, "ann", 40)
    assert len({*ids(first)}) == 40
    assert {(pick.audit, pick.inclusion_probability, pick.reason) for pick in first.picks} == {
        (True, 40 / 200, "audit: drawn at random")
    }
    await right(service, project, first)
    again = await lease(service, project, "ann", 40)
    assert not {*ids(first)} & {*ids(again)}
    assert again.picks[0].inclusion_probability == 40 / 160
    await right(service, project, again)
    (found,) = await service.parts.reports.quality.annotator_accuracies.of(project)
    drawn = [ids(first), ids(again)]
    hits = [np.mean([SAID[i] == TRUTH[i] for i in batch]) for batch in drawn]
    alone = next(f.estimate for f in found.figures if f.kind is FigureKind.AUDIT and not f.anytime)
    assert (found.annotator, alone.items) == ("mini", 80)
    assert min(hits) - 0.1 <= alone.value <= max(hits) + 0.1
    assert alone.low < 0.75 < alone.high


async def test_a_draw_waits_for_people_until_one_of_them_has_labeled_it(service):
    project = await answered(service)
    first = await lease(service, project, "ann", 5)
    passed = ids(first)[2]
    await right(service, project, first, skipped=[passed])
    second = await lease(service, project, "ann", 20)
    assert passed not in ids(second)
    store, leases = service.parts.base.store, service.parts.labeling.leases
    await store.write(lambda tx: leases.release(tx, project, second.lease.id))
    third = await lease(service, project, "bob", 20)
    assert ids(third)[0] == passed
    assert {*ids(third)[1:]} <= {*ids(second)}
    assert await store.write(lambda tx: leases.lease(tx, project, "eve", 10)) is None


async def test_draws_of_an_llms_run_come_first_where_it_has_picked_nearly_nothing_beside(service):
    project = await service.create()
    await service.add(project, IDS, labels=list(TRUTH.values()))
    query = Query(8, Component("random"), 0.75, seed=1, leasable=False)
    _, drawn = await service.parts.learning.selector.select(project, query)
    leased = await lease(service, project, "ann", 10)
    picks = await service.parts.base.store.read(lambda tx: tx.labeling.picks(leased.picks[0].batch))
    anew = {pick.item_id for pick in picks if pick.audit}
    early = [pick.item_id for pick in drawn if pick.audit and pick.item_id not in anew]
    assert [(pick.item_id, pick.audit) for pick in leased.picks][: len(early)] == [(i, False) for i in early]
    assert all(pick.audit for pick in leased.picks[len(early) :])
    await service.parts.learning.selector.select(project, replace(query, count=10, audit_share=0.0))
    store, leases = service.parts.base.store, service.parts.labeling.leases
    await store.write(lambda tx: leases.release(tx, project, leased.lease.id))
    assert not {*early} & {*ids(await lease(service, project, "bob", 10))}


async def test_two_people_are_not_offered_the_same_draw_and_nothing_is_left_at_the_end(service):
    project = await service.create()
    await service.add(project, IDS[:30], labels=list(TRUTH.values())[:30])
    await service.answer_as_llm(project, {i: SAID[i] for i in IDS[:30]})
    first, second = [await lease(service, project, name, 18) for name in ("ann", "bob")]
    assert len({*ids(first), *ids(second)}) == 30
    assert await lease(service, project, "eve", 5) is None
    for leased in (first, second):
        await right(service, project, leased)
    assert await lease(service, project, "eve", 5) is None

"""What has no useful answer is asked again, by whoever may be of use, and else said to be left and why."""

import asyncio

from nextlabel.server.annotators.replay import ReplayAnnotator
from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.labeling.submissions import SubmitStatus
from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.values.labeling.answers import Answer, Label, Outcome, Provenance
from nextlabel.server.values.labeling.item_states import ItemState, NeedReason
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.runs import RunState, StopReason
from tests.domain.service import CLASSES

IDS = [f"i{n}" for n in range(12)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}
LOOK = Query(count=5, strategy=Component("random"), audit_share=0.0, seed=3)


async def filled(service, **changes):
    project = await service.create(**changes)
    await service.add(project, IDS)
    return project


async def states(service, project):
    counts = await service.parts.reports.reports.pool_counts(project)
    assert sum(counts.states.values()) == counts.pool
    return {state: n for state, n in counts.states.items() if n}


def answering(monkeypatch, outcome_of):
    """Have replay annotators end about some items with another outcome."""

    def answered(self, task, item_id):
        outcome = outcome_of(item_id)
        if outcome is None:
            return Answer(
                Outcome.LABEL, Provenance(annotator=self.name, cost=Cost(labels=1)), body=Label(TRUTH[item_id])
            )
        return Answer(outcome, Provenance(annotator=self.name), detail="so it is")

    monkeypatch.setattr(ReplayAnnotator, "answer", answered)


async def leased(service, project, annotator, count=20):
    """Lease as the API does: what is open, else what a selection finds."""
    parts = service.parts
    found = await parts.base.store.write(lambda tx: parts.labeling.leases.lease(tx, project, annotator, count))
    if found is None:
        query = Query(count, project.strategy, 0.0, 0, person=annotator)
        await parts.learning.selector.select(project, query)
        found = await parts.base.store.write(lambda tx: parts.labeling.leases.lease(tx, project, annotator, count))
    return found


async def submit(service, project, lease, bodies, annotator=""):
    answers = [Submission(item, body) for item, body in bodies.items()]
    lease_id = lease.lease.id if lease else ""
    rows = (await service.parts.pool.pools.find(project.id, list(bodies))).tolist()
    known = KnownRows(dict(zip(bodies, rows, strict=True)), {})
    results = await service.parts.base.store.write(
        lambda tx: service.parts.labeling.submissions.submit(tx, project, annotator, lease_id, answers, known)
    )
    return [result.status for result in results]


async def test_a_look_takes_nothing_away_and_is_the_same_until_something_changes(service):
    project = await filled(service)
    looks = [await service.parts.learning.selector.select(project, LOOK) for _ in range(3)]
    rows = [[pick.row for pick in picks] for _, picks in looks]
    assert rows[0] == rows[1] == rows[2]
    lease = await leased(service, project, "ann")
    assert {pick.row for pick in lease.picks} == set(rows[0])
    _, other = await service.parts.learning.selector.select(project, LOOK)
    assert not {pick.row for pick in other} & set(rows[0])


async def test_a_run_after_an_outage_asks_again_what_has_no_answer(service, monkeypatch):
    service.parts.start()
    project = await filled(service)
    answering(monkeypatch, lambda _: Outcome.FAILED)
    first = await service.replay_run(project, TRUTH, limit=Cost())
    assert (first.state, first.stop_reason) == (RunState.FINISHED, StopReason.ITEMS_LEFT)
    assert "12 items are left" in first.message
    assert "12 failed" in first.message
    assert await states(service, project) == {ItemState.NEEDS_ANOTHER: 12}
    answering(monkeypatch, lambda _: None)
    second = await service.replay_run(project, TRUTH, limit=Cost())
    assert second.stop_reason is StopReason.POOL_EMPTY
    assert await states(service, project) == {ItemState.ANSWERED: 12}


async def test_what_an_annotator_refuses_goes_to_a_person(service, monkeypatch):
    service.parts.start()
    project = await filled(service)
    answering(monkeypatch, lambda item: Outcome.REFUSED if item in ("i3", "i4") else None)
    run = await service.replay_run(project, TRUTH, limit=Cost())
    assert run.stop_reason is StopReason.ITEMS_LEFT
    counts = await service.parts.reports.reports.pool_counts(project)
    assert counts.needs == {NeedReason.REFUSED: 2}
    lease = await leased(service, project, "ann")
    assert {pick.item_id for pick in lease.picks} == {"i3", "i4"}
    await submit(service, project, lease, {item: Label(TRUTH[item]) for item in ("i3", "i4")})
    assert await states(service, project) == {ItemState.ANSWERED: 12}


async def test_an_item_that_is_refused_too_often_is_given_up_by_runs_and_not_by_people(service, monkeypatch):
    service.parts.start()
    project = await filled(service)
    answering(monkeypatch, lambda item: Outcome.REFUSED if item == "i3" else None)
    for _ in range(service.parts.base.limits.useless_answers):
        await service.replay_run(project, TRUTH, limit=Cost())
    assert await states(service, project) == {ItemState.ANSWERED: 11, ItemState.GIVEN_UP: 1}
    answering(monkeypatch, lambda _: None)
    run = await service.replay_run(project, TRUTH, limit=Cost())
    assert "1 given up" in run.message
    lease = await leased(service, project, "ann")
    assert [pick.item_id for pick in lease.picks] == ["i3"]


async def test_what_a_person_skips_is_offered_to_others_only(service):
    project = await filled(service)
    lease = await leased(service, project, "ann", 12)
    skipped = [pick.item_id for pick in lease.picks[:2]]
    rest = {pick.item_id: Label(TRUTH[pick.item_id]) for pick in lease.picks[2:]}
    assert await submit(service, project, lease, dict.fromkeys(skipped)) == [SubmitStatus.SKIPPED] * 2
    await submit(service, project, lease, rest)
    assert await states(service, project) == {ItemState.ANSWERED: 10, ItemState.NEEDS_ANOTHER: 2}
    assert await leased(service, project, "ann") is None
    other = await leased(service, project, "bob")
    assert {pick.item_id for pick in other.picks} == set(skipped)
    budget = await service.parts.base.store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id))
    assert budget.labels == 10


async def test_a_round_of_people_does_not_wait_for_what_they_skip_and_the_run_says_what_is_left(service):
    service.parts.start()
    project = await filled(service)
    running = asyncio.create_task(
        service.replay_run(
            project, TRUTH, annotator=service.people, batch_size=6, limit=Cost(), strategy=Component("random")
        )
    )
    parts = service.parts
    while lease := await service.lease(project, "ann", 6, running):
        bodies = {p.item_id: None if p.item_id == "i3" else Label(TRUTH[p.item_id]) for p in lease.picks}
        await submit(service, project, lease, bodies)
        parts.base.signals.notify(f"labeling/{project.id}")
    run = await running
    assert run.stop_reason is StopReason.ITEMS_LEFT
    assert "1 skipped" in run.message


async def test_what_people_put_aside_is_taken_by_a_run_when_nothing_else_is_left(service):
    service.parts.start()
    project = await filled(service)
    await service.parts.learning.selector.select(project, LOOK)
    run = await service.replay_run(project, TRUTH, limit=Cost())
    assert run.stop_reason is StopReason.POOL_EMPTY
    assert await leased(service, project, "ann") is None


async def test_two_who_disagree_leave_the_item_to_a_third(service):
    project = await filled(service, overlap=2)
    for name, label in (("ann", "left"), ("bob", "right")):
        assert await submit(service, project, None, {"i0": Label(label)}, name) == [SubmitStatus.ACCEPTED]
    counts = await service.parts.reports.reports.pool_counts(project)
    assert counts.needs == {NeedReason.NO_AGREEMENT: 1}
    await submit(service, project, None, {item: Label(TRUTH[item]) for item in IDS[1:]}, "ann")
    lease = await leased(service, project, "cid", 1)
    assert [pick.item_id for pick in lease.picks] == ["i0"]
    await submit(service, project, lease, {"i0": Label("left")})
    assert await states(service, project) == {ItemState.ANSWERED: 12}

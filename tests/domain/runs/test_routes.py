"""Runs that carry a plan of routes out."""

from dataclasses import replace

import numpy as np
import pytest

from nextlabel.server.assessment.routing.cascades import PERSON
from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.runs.routes.open_items import RouteStandings
from nextlabel.server.domain.runs.routes.planning import PlannedRoutes
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Label, Outcome, Provenance
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import ReplayOptions, RouteMember, RouteOptions
from nextlabel.server.values.runs.events import RoutePlanned, RouteStepStarted
from nextlabel.server.values.runs.runs import Plateau, RunSpec, RunState, StopReason
from tests.domain.service import CLASSES, Service
from tests.store import values as v

pytestmark = pytest.mark.started

IDS = [f"i{n}" for n in range(120)]
GOLD = [f"g{n}" for n in range(60)]
ALL = [*GOLD, *IDS]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(ALL)}
CHEAP = RouteMember(ReplayOptions("cheap", name="cheap"), 200)
STRONG = RouteMember(ReplayOptions("strong", name="strong"), 3_000)
ROUTE = RouteOptions((STRONG, CHEAP), 50_000)


def wrong(share, seed, ids=ALL):
    """Labels of which a share is wrong."""
    rng = np.random.default_rng(seed)
    return {item: CLASSES[rng.integers(3)] if item in ids and rng.random() < share else TRUTH[item] for item in ALL}


async def prepared(service, cheap=None):
    """A project with a learner that is often wrong, gold, and two annotators whose answers are known."""
    project = await service.create()
    seen = wrong(0.5, 1)
    gold = {"labels": [TRUTH[g] for g in GOLD], "embedded_as": [seen[g] for g in GOLD]}
    await service.add(project, GOLD, split=Split.GOLD, upload="gold", **gold)
    await service.add(project, IDS, embedded_as=[seen[i] for i in IDS])
    await service.replay_run(project, {i: TRUTH[i] for i in IDS}, limit=Cost(labels=18))
    sets = {"cheap": cheap or wrong(0.3, 2), "strong": wrong(0.1, 3)}
    for name, labels in sets.items():
        await service.parts.base.store.write(
            lambda tx, n=name, known=labels: tx.pool.put_replay_labels(project.id, n, list(known.items()))
        )
    return project


def spec(route=ROUTE, usd=1.5, **changes):
    limit = Cost(micro_usd=int(usd * 1e6))
    values = {"batch_size": 30, "audit_share": 0.0, "seed": 1, **changes}
    return RunSpec(route, Component("margin"), values.pop("batch_size"), values.pop("audit_share"), limit, 0.0, 0.0,
                   Plateau(), values.pop("max_rounds", 0), values.pop("seed"), **values)  # fmt: skip


async def start(service, project, wanted=None):
    run = await service.parts.base.store.write(lambda tx: service.parts.runs.runs.start(tx, project, wanted or spec()))
    service.parts.runs.engine.wake()
    return run


async def answer_all(service, project, run, annotator="ann"):
    """Answer what a run has people lease, until it is over; return the items."""
    asked: list[str] = []
    parts = service.parts

    async def answered():
        """Answer a lease; return whether the run is over."""
        leased = await parts.base.store.write(lambda tx: parts.labeling.leases.lease(tx, project, annotator, 5))
        if leased is None:
            return (await parts.base.store.read(lambda tx: tx.runs.get(run.id))).state.ended
        rows = KnownRows({p.item_id: p.row for p in leased.picks}, {})
        answers = [Submission(item_id, Label(TRUTH[item_id])) for item_id in rows.rows]
        submit = parts.labeling.submissions.submit
        await parts.base.store.write(lambda tx: submit(tx, project, annotator, leased.lease.id, answers, rows))
        asked.extend(rows.rows)
        parts.base.signals.notify(f"labeling/{project.id}")
        return False

    await service.until(answered)
    return asked


async def by_annotator(service, project, run):
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    found: dict[str, list[str]] = {}
    for one in given:
        if one.run == run.id and one.item_id in IDS:
            found.setdefault(one.annotator, []).append(one.item_id)
    return found


async def test_a_plan_is_carried_out_in_turn_and_within_its_money(service):
    project = await prepared(service)
    run = await start(service, project)
    by_people = await answer_all(service, project, run)
    ended = await service.ended(run.id)
    assert ended.stop_reason is StopReason.CARRIED_OUT, ended.message
    asked = await by_annotator(service, project, run)
    assert sorted(asked["ann"]) == sorted(by_people)
    # Nobody is asked twice about an item, and people about what two equal labels have not settled.
    assert all(len(set(items)) == len(items) for items in asked.values())
    assert set(by_people) <= {*asked["cheap"], *asked.get("strong", [])}
    cost = 200 * len(asked["cheap"]) + 3_000 * len(asked.get("strong", [])) + 50_000 * len(by_people)
    assert 0 < cost <= 1_500_000
    found = await service.parts.base.store.read(
        lambda tx: (tx.runs.last(run.id, RoutePlanned), tx.runs.last(run.id, RouteStepStarted))
    )
    assert sum(found[0].items) == len(IDS) - 18
    assert found[1].items == len(by_people)
    batches = await service.parts.base.store.read(lambda tx: tx.labeling.batches(project.id, run.id))
    assert [batch.round for batch in batches] == list(range(1, ended.round + 1))
    _, delivered = await service.parts.reports.quality.deliveries.found(project, 0.8)
    assert delivered.items["people"] >= len(by_people)


async def test_a_run_goes_on_with_its_plan_after_a_restart(service, tmp_path):
    project = await prepared(service)
    run = await start(service, project)

    async def first_answers():
        given = await service.parts.base.store.read(lambda tx: tx.labeling.count_annotations(project.id, run.id))
        return given > len(GOLD) * 2 + 5

    await service.until(first_answers)
    planned = await service.parts.base.store.read(lambda tx: tx.runs.last(run.id, RoutePlanned))
    await service.close()
    again = Service(tmp_path)
    again.parts.start()
    try:
        await answer_all(again, project, run)
        ended = await again.ended(run.id)
        assert ended.stop_reason is StopReason.CARRIED_OUT, ended.message
        events = await again.parts.base.store.read(lambda tx: tx.runs.events(run.id, 0, 1_000))
        assert [e.happening for e in events if isinstance(e.happening, RoutePlanned)] == [planned]
        steps = [e.happening.asked for e in events if isinstance(e.happening, RouteStepStarted)]
        assert steps == ["cheap", "strong", "person"]
        asked = await by_annotator(again, project, run)
        assert all(len(set(items)) == len(items) for items in asked.values())
        open_now = await again.parts.base.store.read(lambda tx: tx.budgets.open_reservations(project.id))
        assert [r for r in open_now if r.run == run.id] == []
    finally:
        await again.close()


async def test_a_step_that_does_not_turn_out_as_on_gold_calls_the_rest_off(service):
    # Right on gold and never on the pool: gold was no sample of it.
    cheap = {**TRUTH, **{i: CLASSES[(CLASSES.index(TRUTH[i]) + 1) % 3] for i in IDS}}
    project = await prepared(service, cheap)
    run = await start(service, project, spec(replace(ROUTE, person_micro_usd=5_000)))
    ended = await service.ended(run.id)
    assert ended.stop_reason is StopReason.PROMISE_BROKEN
    assert "more than gold has promised" in ended.message
    assert set(await by_annotator(service, project, run)) == {"cheap"}


async def test_changed_classes_call_a_plan_off(service):
    project = await prepared(service)
    run = await start(service, project, spec(RouteOptions((), 10_000), usd=0.2))
    leased = await service.lease(project, "ann", 5)
    assert leased is not None
    await service.add_class(project, "down")
    ended = await service.ended(run.id)
    assert (ended.state, ended.stop_reason) == (RunState.FINISHED, StopReason.PROMISE_BROKEN)


async def test_what_no_route_can_do_is_refused(service):
    project = await service.create()
    await service.add(project, IDS)
    runs = service.parts.runs.runs
    for wanted, said in (
        (spec(RouteOptions()), "name a member"),
        (spec(usd=0), "limits.micro_usd"),
        (spec(RouteOptions((CHEAP, CHEAP))), "'cheap' is there twice"),
        (spec(RouteOptions((CHEAP,) * 5)), "at most 4, got 5"),
        (spec(RouteOptions((replace(CHEAP, micro_usd=-1),))), "must not be negative"),
        (spec(RouteOptions((RouteMember(ReplayOptions("x", name="person")),))), "stands for people"),
        (spec(max_rounds=3, advice=True), "max_rounds"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            runs.check(project, wanted)
    run = await start(service, project, spec(RouteOptions((), 5)))
    assert "no model yet" in (await service.ended(run.id)).message


async def test_people_come_first_to_what_a_look_is_expected_to_mend(service):
    project = await prepared(service)
    parts = service.parts
    answered = {one.item_id for one in (await parts.labeling.labels.consensus(project)).values()}
    names = [item for item in IDS if item not in answered][:12]
    rows = (await parts.pool.pools.find(project.id, names)).tolist()
    given = [(n, "cheap", CLASSES[0]) for n in range(6)]
    given += [(n, "strong", CLASSES[0] if n % 2 else CLASSES[1]) for n in range(6)]
    annotations = [
        replace(
            v.annotation(rows[n], annotator),
            project=project.id,
            item_id=names[n],
            label=said,
            answer=Answer(Outcome.LABEL, Provenance(annotator), body=Label(said)),
            kind=AnnotatorKind.LLM,
            trusted=False,
            batch="",
        )
        for n, annotator, said in given
    ]
    await parts.base.store.write(lambda tx: tx.labeling.add_annotations(annotations))
    quality = parts.reports.quality
    standings = RouteStandings(parts.pool.pools, parts.labeling.labels, quality.deliveries, quality.review)
    evidence, version = await quality.deliveries.evidence(project)
    said = RoutePlanned(((PERSON,),), (12,), version, "", 0.9, 0.8, 1.0, 0, {})
    run = await start(service, project, spec(RouteOptions((), 5)))
    found = await standings.open_for(project, run, PlannedRoutes(said, [np.array(rows)]), PERSON)
    wrong = {row: 1 - evidence.predicted_N[row] for row in rows[6:]}
    # Of two LLMs that differ one is wrong; what both say nothing speaks against.
    wrong |= {rows[n]: 0.0 if n % 2 else 0.5 for n in range(6)}
    assert [wrong[row] for row in found.tolist()] == pytest.approx(sorted(wrong.values(), reverse=True))
    assert set(found.tolist()) == set(rows)

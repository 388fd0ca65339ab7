"""The review queue: what is on it and why, who may look, and what takes it off."""

import asyncio
import threading
from dataclasses import replace

import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.learning.training_labels import doubts, doubts_by_type
from nextlabel.server.domain.selection.reviewing import Reviewing
from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.learners.out_of_fold import out_of_fold
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.ids import new_id
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.labeling.leases import LeaseState
from nextlabel.server.values.labeling.reviews import ReviewReason
from nextlabel.server.values.projects.projects import CROWDLAB, Component
from tests.domain.service import CLASSES, Service

pytestmark = pytest.mark.started

IDS = [f"i{n}" for n in range(90)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}
WRONG = {"i3": CLASSES[1], "i40": CLASSES[2]}


async def labeled(service):
    """A project whose items have an LLM's labels, two of which are wrong."""
    project = await service.create()
    await service.add(project, IDS, labels=list(TRUTH.values()))
    await service.answer_as_llm(project, TRUTH | WRONG)
    return project


def queue(service):
    return service.parts.reports.quality.review


async def lease(service, project, annotator, count):
    parts = service.parts
    reviewing = Reviewing(
        store=parts.base.store, pools=parts.pool.pools, queue=queue(service), clock=parts.base.clock, new_id=new_id
    )
    leases = parts.labeling.leases
    return await reviewing.lease(
        project,
        annotator,
        count,
        lambda tx, batch, picks: leases.lease_batch(tx, project, annotator, count, batch=batch, picks=picks),
    )


async def answer(service, project, lease, labels):
    rows = (await service.parts.pool.pools.find(project.id, list(labels))).tolist()
    known = KnownRows(dict(zip(labels, rows, strict=True)), {})
    given = [Submission(item_id, Label(label)) for item_id, label in labels.items()]
    submissions = service.parts.labeling.submissions
    return await service.parts.base.store.write(
        lambda tx: submissions.submit(tx, project, lease.annotator, lease.id, given, known)
    )


async def listed(service, project, annotator=""):
    return [entry.item_id for entry in await queue(service).entries(project, annotator)]


async def test_wrong_labels_lead_the_list_and_say_why(service):
    project = await labeled(service)
    await service.answer_as_llm(project, {"i7": CLASSES[0]}, annotator="other")
    entries = {entry.item_id: entry for entry in await queue(service).entries(project)}
    assert list(entries)[:2] in (["i3", "i40"], ["i40", "i3"])
    for item_id, wrong in WRONG.items():
        assert (entries[item_id].label, entries[item_id].other_label) == (wrong, TRUTH[item_id])
        assert entries[item_id].wrong_probability > 0.9
        assert entries[item_id].reasons == (ReviewReason.AGAINST_LEARNER, ReviewReason.SUSPECT)
    assert ReviewReason.DISAGREEMENT in entries["i7"].reasons


async def test_a_look_takes_an_entry_off_the_list_and_corrects_the_label(service):
    project = await labeled(service)
    leased = await lease(service, project, "ann", 2)
    assert {pick.item_id for pick in leased.picks} == set(WRONG)
    assert all(pick.reason == "review: against learner, suspect" for pick in leased.picks)
    await answer(service, project, leased.lease, {item_id: TRUTH[item_id] for item_id in WRONG})
    assert not set(WRONG) & set(await listed(service, project))
    agreed = await service.parts.labeling.labels.consensus(project)
    assert {c.item_id: c.label for c in agreed.values()} == TRUTH


async def test_an_item_is_reviewed_by_one_at_a_time_and_by_nobody_who_answered_it(service):
    project = await labeled(service)
    await service.label(project, {"i3": WRONG["i3"]}, annotator="eve")
    assert "i3" not in await listed(service, project, "eve")
    first = await lease(service, project, "ann", 1)
    assert first.picks[0].item_id not in await listed(service, project, "bob")
    second = await lease(service, project, "bob", 1)
    assert second.picks[0].item_id != first.picks[0].item_id
    store, leases = service.parts.base.store, service.parts.labeling.leases
    await store.write(lambda tx: leases.release(tx, project, first.lease.id))
    assert first.picks[0].item_id in await listed(service, project, "bob")


async def test_people_who_ask_for_reviews_at_once_get_other_items_each_and_nobody_none(service):
    project = await service.create()
    await service.add(project, IDS)
    await service.answer_as_llm(project, dict.fromkeys(IDS[:12], CLASSES[0]))
    await service.answer_as_llm(project, dict.fromkeys(IDS[:12], CLASSES[1]), annotator="another")
    leased = await asyncio.gather(*(lease(service, project, name, 4) for name in ("ann", "bob", "eve")))
    assert len({pick.item_id for one in leased for pick in one.picks}) == 12


async def test_what_is_given_back_is_not_offered_to_those_who_label(service):
    project = await labeled(service)
    leased = await lease(service, project, "ann", 2)
    store, leases = service.parts.base.store, service.parts.labeling.leases
    await store.write(lambda tx: leases.end(tx, leased.lease, LeaseState.RELEASED))
    assert await store.write(lambda tx: leases.lease(tx, project, "bob", 10)) is None


async def test_an_empty_list_leases_nothing_and_a_wrong_count_is_refused(service):
    project = await service.create()
    await service.add(project, IDS, labels=list(TRUTH.values()))
    assert await listed(service, project) == []
    assert await lease(service, project, "ann", 5) is None
    with pytest.raises(InvalidArgument, match="count"):
        await lease(service, project, "ann", 0)


async def test_of_very_many_labels_some_judge_all(service, monkeypatch):
    monkeypatch.setattr(doubts, "MOST_KNOWN", 50)
    monkeypatch.setattr(doubts_by_type, "FEW_NEIGHBOURS", 40)
    project = await labeled(service)
    assert {"i3", "i40"} == set((await listed(service, project))[:2])
    assert len((await queue(service).doubting.of(project)).wrong) == len(IDS)


async def test_which_labels_are_judged_does_not_flicker(service, monkeypatch):
    monkeypatch.setattr(doubts, "MOST_JUDGED", 60)
    project = await labeled(service)
    before = set((await queue(service).doubting.of(project)).wrong)
    more = [f"more{n}" for n in range(30)]
    await service.add(project, more, upload="more")
    await service.answer_as_llm(project, {item: CLASSES[n % 3] for n, item in enumerate(more)})
    after = set((await queue(service).doubting.of(project)).wrong)
    assert (len(before), len(after)) == (60, 60)
    assert all(row >= len(IDS) for row in after - before)


class Judging:
    """Counts how often labels are judged, and can hold it up."""

    def __init__(self, monkeypatch):
        self.counts: list[int] = []
        self.begun, self.go_on = asyncio.Event(), threading.Event()
        self.go_on.set()
        judged, loop = out_of_fold, asyncio.get_running_loop()

        def counted(embeddings_ND, *rest, **named):
            loop.call_soon_threadsafe(self.begun.set)
            self.go_on.wait()
            self.counts.append(len(embeddings_ND))
            return judged(embeddings_ND, *rest, **named)

        monkeypatch.setattr(doubts_by_type, "out_of_fold", counted)


async def test_a_list_outlives_a_restart_and_is_made_anew_when_many_labels_have_changed_since(
    service, monkeypatch, tmp_path
):
    judging = Judging(monkeypatch)
    judging.go_on.set()
    project = await labeled(service)
    before = await queue(service).entries(project)
    await service.close()
    again = Service(tmp_path)
    assert await queue(again).entries(project) == before
    assert len(judging.counts) == 1
    await again.answer_as_llm(project, dict.fromkeys(IDS[:30], CLASSES[0]), annotator="other")
    await listed(again, project)
    assert len(judging.counts) == 2
    await again.close()


async def test_a_list_is_not_made_anew_for_few_labels_and_says_nothing_about_those_that_were_replaced(
    service, monkeypatch
):
    monkeypatch.setattr(doubts, "CHANGED_SHARE", 0.05)
    judging = Judging(monkeypatch)
    project = await labeled(service)
    await listed(service, project)
    await service.label(project, {"i3": TRUTH["i3"]}, annotator="eve")
    assert (await listed(service, project))[0] == "i40"
    assert "i3" not in await listed(service, project)
    assert judging.counts == [len(IDS)]
    new_wrongs = {f"i{n}": TRUTH[f"i{n + 1}"] for n in range(10, 16)}
    await service.label(project, new_wrongs, annotator="eve")
    assert new_wrongs.keys() & set(await listed(service, project))
    assert judging.counts == [len(IDS), len(IDS)]


async def test_labels_are_judged_once_for_all_who_look_and_for_who_comes_back(service, monkeypatch):
    judging = Judging(monkeypatch)
    project = await labeled(service)
    doubting = queue(service).doubting
    judging.go_on.clear()
    impatient = asyncio.create_task(doubting.of(project))
    await judging.begun.wait()
    impatient.cancel()
    both = asyncio.gather(doubting.of(project), doubting.of(project))
    judging.go_on.set()
    first, second = await both
    assert first is second
    assert judging.counts == [len(IDS)]


async def test_what_a_look_gains_puts_new_items_and_labels_on_one_scale(service):
    project = await labeled(service)
    new = [f"new{n}" for n in range(4)]
    await service.add(project, new, upload="new")
    await service.parts.learning.learning.train(project)
    entries = await queue(service).entries(project, unlabeled=2)
    unlabeled = [entry for entry in entries if entry.reasons == (ReviewReason.UNLABELED,)]
    assert len(unlabeled) == 2
    assert all(entry.gain == pytest.approx(entry.wrong_probability) for entry in unlabeled)
    assert [entry.gain for entry in entries] == sorted((entry.gain for entry in entries), reverse=True)
    # A person's label weighs beside the next one; a model's does not.
    by_models = {entry.item_id: entry for entry in entries}
    await service.label(project, WRONG, annotator="ann")
    (one,) = [entry for entry in await queue(service).entries(project) if entry.item_id == "i3"]
    assert one.gain == pytest.approx(one.wrong_probability / 2)
    await service.label(project, {"i3": TRUTH["i3"]}, annotator="bob")
    (even,) = [entry for entry in await queue(service).entries(project) if entry.item_id == "i3"]
    assert even.gain == pytest.approx(even.wrong_probability)
    assert by_models["i3"].gain == pytest.approx(by_models["i3"].wrong_probability)


async def test_people_who_contradict_models_about_an_audited_item_are_an_audit_failure(service):
    project = await labeled(service)
    more = [f"more{n}" for n in range(5)]
    await service.add(project, more, upload="more")
    _, picks = await service.parts.learning.selector.select(project, Query(3, Component("random"), 1.0, 1))
    item = picks[0].item_id
    await service.answer_as_llm(project, {item: CLASSES[0]})
    await service.label(project, {item: CLASSES[1]}, annotator="ann")
    (entry,) = [one for one in await queue(service).entries(project) if one.item_id == item]
    assert ReviewReason.AUDIT_FAILURE in entry.reasons


async def test_where_gold_has_weighed_the_texts_people_look_at_what_that_leaves_open(service):
    project = await labeled(service)
    before = {entry.item_id: entry for entry in await queue(service).entries(project)}
    known = await service.parts.labeling.labels.consensus(project)
    rows = {one.item_id: row for row, one in known.items()}
    for item, doubt in (("i3", 0.5), ("i5", 0.4), ("i7", 0.3)):
        known[rows[item]] = replace(known[rows[item]], method=CROWDLAB, probability=1 - doubt)
    entries = {entry.item_id: entry for entry in await queue(service).entries(project)}
    told = {item: entries[item].wrong_probability for item in ("i3", "i5", "i7")}
    # The learner of the labels suspects one of them, and can say little of the others' order.
    assert before["i3"].wrong_probability > 0.9
    assert told["i3"] == 0.5
    assert told["i5"] + told["i7"] == pytest.approx(0.7)
    assert told["i5"] >= told["i7"]
    assert next(item for item in entries if item in told) == "i3"
    assert all(ReviewReason.LOW_CONFIDENCE in entries[item].reasons for item in told)
    assert entries["i40"] == before["i40"]

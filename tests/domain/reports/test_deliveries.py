"""Every item of a pool with its label."""

import pytest

from nextlabel.server.domain.reports.delivery.labels import LabelSource, LookReason
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.answers import ConfidenceKind, Label
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from tests.domain.service import CLASSES

pytestmark = pytest.mark.started

IDS = [f"i{n}" for n in range(120)]
GOLD = [f"g{n}" for n in range(90)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}


def deliveries(service):
    return service.parts.reports.quality.deliveries


async def filled(service, gold=GOLD):
    project = await service.create()
    if gold:
        await service.add(project, gold, split=Split.GOLD, upload="gold")
    await service.add(project, IDS)
    return project


async def trained(service, gold=GOLD):
    project = await filled(service, gold)
    await service.replay_run(project, TRUTH, limit=Cost(labels=18))
    return project


async def every_item(service, project, accuracy=0.9, size=50):
    key, _ = await deliveries(service).found(project, accuracy)
    items, after = [], -1
    while True:
        page = await deliveries(service).page(project, accuracy, key, after, size)
        items += page.items
        if page.after is None:
            return {one.item.item_id: one.labeled for one in items}
        after = page.after


async def test_people_the_learner_and_references_label_the_whole_pool(service):
    project = await trained(service)
    _, found = await deliveries(service).found(project, 0.9)
    labels = await every_item(service, project)
    assert list(labels) == [*GOLD, *IDS]
    by_source = {source: sum(one.source is source for one in labels.values()) for source in LabelSource}
    assert by_source[LabelSource.REFERENCE] == len(GOLD)
    assert {source: count for source, count in by_source.items() if source is not LabelSource.REFERENCE} == found.items
    assert found.items[LabelSource.PEOPLE] == 18
    assert found.accepted_by == "learner"
    assert found.accepted == sum(one.look is None for item, one in labels.items() if item in TRUTH)
    right = [labels[item].body == Label(label) for item, label in TRUTH.items()]
    assert found.accuracy is not None
    assert found.accuracy.low <= sum(right) / len(right) <= found.accuracy.high
    threshold = found.tested[0].certificate.threshold
    for one in labels.values():
        if one.source is LabelSource.LEARNER:
            assert one.kind is ConfidenceKind.CALIBRATED
            assert (one.look is None) == (one.score >= threshold)


async def test_without_gold_everything_is_labeled_and_nothing_is_promised(service):
    project = await trained(service, gold=[])
    _, found = await deliveries(service).found(project, 0.9)
    assert found.accepted == 18
    assert found.not_tested == {"learner": "there is no gold item with an embedding"}
    assert found.accuracy is None
    labels = await every_item(service, project)
    learned = [one for one in labels.values() if one.source is LabelSource.LEARNER]
    assert len(learned) == 102
    assert {(one.look, one.kind) for one in learned} == {(LookReason.UNPROVEN, ConfidenceKind.UNCALIBRATED)}


async def test_an_empty_project_and_one_without_labels_deliver_what_there_is(service):
    project = await service.create()
    _, found = await deliveries(service).found(project, 0.0)
    assert (found.promise.accuracy, found.accepted, found.accuracy) == (0.95, 0, None)
    assert await every_item(service, project) == {}
    await service.add(project, IDS)
    labels = await every_item(service, project)
    assert {(one.body, one.source, one.look) for one in labels.values()} == {
        (None, LabelSource.NOBODY, LookReason.NO_LABEL)
    }


async def test_an_annotator_that_answered_a_part_is_not_tested_and_one_that_answered_all_is(service):
    project = await filled(service)
    wrong = {item: CLASSES[(n + 1) % 3] for n, item in enumerate(IDS)}
    known = {item: CLASSES[n % 3] for n, item in enumerate(GOLD)}
    await service.answer_as_llm(project, known | dict(list(wrong.items())[:50]))
    _, found = await deliveries(service).found(project, 0.9)
    assert found.not_tested["mini"] == "it has answered no gold item with a confidence"
    assert found.items[LabelSource.LLM] == 50
    assert found.items[LabelSource.NOBODY] == 70
    # Gold says that the answers are right, whatever they are.
    assert found.accuracy is not None
    assert found.accuracy.value > 0.95


async def test_an_llm_that_is_proven_labels_what_people_have_not(service):
    project = await filled(service)
    known = TRUTH | {item: CLASSES[n % 3] for n, item in enumerate(GOLD)}
    await service.answer_as_llm(project, known, signals={"verbalised": 0.9})
    await service.label(project, {"i0": "up"})
    _, found = await deliveries(service).found(project, 0.9)
    assert found.accepted_by == "mini"
    assert found.accepted == 120
    labels = await every_item(service, project)
    assert labels["i0"].source is LabelSource.PEOPLE
    assert labels["i0"].body == Label("up")
    assert (labels["i1"].source, labels["i1"].score, labels["i1"].look) == (LabelSource.LLM, 0.9, None)


async def test_a_listing_goes_on_by_its_first_threshold_until_it_is_forgotten(service):
    project = await trained(service)
    key, _ = await deliveries(service).found(project, 0.9)
    await service.label(project, {item: TRUTH[item] for item in IDS[60:70]}, annotator="bob")
    page = await deliveries(service).page(project, 0.9, key, -1, 1_000)
    assert sum(one.labeled.source is LabelSource.PEOPLE for one in page.items) >= 18
    again, _ = await deliveries(service).found(project, 0.9)
    assert again != key
    with pytest.raises(FailedPrecondition, match="begin again"):
        await deliveries(service).page(project, 0.9, "of-another-server", -1, 10)
    await service.parts.pool.pools.delete(project.id, ["i5"], service.parts.base.clock.now())
    assert "i5" not in await every_item(service, project)


async def test_what_cannot_be_promised_or_labeled_is_refused(service):
    project = await service.create()
    with pytest.raises(InvalidArgument, match="strictly between"):
        await deliveries(service).found(project, 1.0)
    texts = await service.create("texts", annotation_type=AnnotationType.TEXT)
    with pytest.raises(FailedPrecondition, match="no learner"):
        await deliveries(service).found(texts, 0.9)


async def test_several_labels_are_delivered_without_a_certificate(service):
    project = await service.create("topics", annotation_type=AnnotationType.MULTI_LABEL)
    await service.add(project, IDS)
    _, found = await deliveries(service).found(project, 0.9)
    assert found.not_tested == {"learner": "promises are made for single labels only"}

from datetime import UTC, datetime

import numpy as np
import pytest

from nextlabel.server.assessment.estimates.figures import FigureKind
from nextlabel.server.domain.reports.delivery import measured
from nextlabel.server.domain.reports.delivery.labels import LabelSource
from nextlabel.server.domain.reports.estimates.accuracy import Accuracy
from nextlabel.server.domain.reports.estimates.audit_stream import audit_stream
from nextlabel.server.domain.reports.estimates.chosen_batches import chosen_batches
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.advice import Advice
from nextlabel.server.values.labeling.answers import Answer, ConfidenceKind, Label, Outcome, Provenance
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component
from tests.domain.service import CLASSES

pytestmark = pytest.mark.started

IDS = [f"i{n}" for n in range(300)]
TRUTH = {item: CLASSES[0] if n % 2 else CLASSES[1 + n % 4 // 2] for n, item in enumerate(IDS)}


async def filled(service):
    project = await service.create(learner=Component("logistic_regression"))
    await service.add(project, [f"h{n}" for n in range(30)], split=Split.HOLDOUT, upload="holdout")
    await service.add(project, IDS, labels=list(TRUTH.values()))
    return project


async def run(service, project, labels, audit=0.5):
    return await service.replay_run(project, TRUTH, limit=Cost(labels=labels), audit_share=audit, batch_size=20)


async def test_the_audit_stream_knows_what_each_draw_was_drawn_from(service):
    project = await filled(service)
    await run(service, project, 60)
    stream = await service.parts.base.store.read(lambda tx: audit_stream(tx, project.id))
    assert len(stream.picked_rows) == 60
    assert len(stream.draws) == 30
    assert {d.pool_size for d in stream.draws} == {300}
    assert [d.row for d in stream.draws] == [stream.picked_rows[d.picks_before] for d in stream.draws]
    assert [d.model_version for d in stream.draws] == [0] * 10 + [1] * 10 + [2] * 10


async def test_class_shares_are_told_from_the_draws_with_intervals(service):
    project = await filled(service)
    await run(service, project, 100)
    found = await service.parts.reports.quality.shares.shares(project)
    assert (found.draws, found.unanswered_draws) == (50, 0)
    for share in found.shares:
        truth = np.mean([label == share.label for label in TRUTH.values()])
        assert share.figures[0].kind is FigureKind.AUDIT
        for figure in share.figures:
            assert figure.estimate.low - 0.05 <= truth <= figure.estimate.high + 0.05
        for anytime in (False, True):
            widths = [f.estimate.high - f.estimate.low for f in share.figures if f.anytime is anytime]
            assert widths == sorted(widths, reverse=True)


async def test_without_draws_no_share_is_told(service):
    project = await filled(service)
    await run(service, project, 40, audit=0.0)
    found = await service.parts.reports.quality.shares.shares(project)
    assert [s.label for s in found.shares] == list(CLASSES)
    assert all(s.figures == () for s in found.shares)


async def test_accuracy_says_its_kind_and_whether_it_may_be_watched(service):
    project = await filled(service)
    assert await service.parts.reports.quality.accuracy.accuracy(project) == Accuracy((), ())
    await run(service, project, 60)
    found = await service.parts.reports.quality.accuracy.accuracy(project)
    kinds = [(f.kind, f.anytime, f.estimate.items) for f in found.model]
    # The model is right on all it was judged by, so that nothing shows that predictions of it help.
    assert kinds == [
        (FigureKind.HOLDOUT, False, 30),
        (FigureKind.HOLDOUT, True, 30),
        (FigureKind.AUDIT, False, 20),
        (FigureKind.AUDIT, True, 20),
    ]
    for once, watched in (found.model[:2], found.model[2:]):
        assert watched.estimate.low < once.estimate.low <= once.estimate.high <= watched.estimate.high
    assert found.labels == ()


async def test_models_are_judged_by_what_sampling_strategies_chose_where_weights_are_even(service):
    project = await filled(service)
    mild = Component("power_margin", {"beta": 0.01})
    await service.replay_run(project, TRUTH, limit=Cost(labels=100), audit_share=0.2, batch_size=20, strategy=mild)
    found = (await service.parts.reports.quality.accuracy.accuracy(project)).model
    weighted, watched = (f for f in found if f.kind is FigureKind.WEIGHTED)
    assert watched.anytime
    assert watched.estimate.low < weighted.estimate.low
    # The first batch had no model; each of the other four chose 16 items beside 4 draws.
    assert (weighted.anytime, weighted.estimate.items) == (False, 64)
    assert 0 <= weighted.estimate.low <= weighted.estimate.value
    batches = await service.parts.base.store.read(lambda tx: chosen_batches(tx, project.id))
    assert [(b.model_version, b.candidates) for b in batches] == [(1, 280), (2, 260), (3, 240), (4, 220)]
    assert [(b.picks_before, b.audited) for b in batches] == [(24, 4), (44, 4), (64, 4), (84, 4)]
    shares = (await service.parts.reports.quality.shares.shares(project)).shares
    for share in shares:
        truth = np.mean([label == share.label for label in TRUTH.values()])
        figure = next(f for f in share.figures if f.kind is FigureKind.WEIGHTED and not f.anytime).estimate
        assert figure.items == 64
        assert figure.low - 0.05 <= truth <= figure.high + 0.05


@pytest.mark.parametrize(("strategy", "audit"), [("margin", 0.2), ("power_margin", 0.0)])
async def test_choices_without_known_probabilities_give_no_weighted_figure(service, strategy, audit):
    project = await filled(service)
    await service.replay_run(
        project, TRUTH, limit=Cost(labels=60), audit_share=audit, batch_size=20, strategy=Component(strategy)
    )
    found = (await service.parts.reports.quality.accuracy.accuracy(project)).model
    assert FigureKind.WEIGHTED not in {f.kind for f in found}


async def test_labels_are_judged_by_gold_and_people_do_not_count(service):
    project = await filled(service)
    await service.add(project, [f"g{n}" for n in range(20)], split=Split.GOLD, upload="gold")
    await service.label(project, {f"g{n}": CLASSES[n % 3] for n in range(20)})
    assert (await service.parts.reports.quality.accuracy.accuracy(project)).labels == ()
    await service.answer_as_llm(project, {f"g{n}": CLASSES[n % 3 if n > 4 else 0] for n in range(20)})
    (figure,) = (await service.parts.reports.quality.accuracy.accuracy(project)).labels
    assert (figure.kind, figure.anytime, figure.estimate.items) == (FigureKind.GOLD, True, 20)
    assert figure.estimate.value == pytest.approx(17 / 20)


async def test_ways_to_join_answers_are_compared_on_gold(service):
    project = await filled(service)
    assert (await service.parts.reports.quality.consensus.compare(project)).chosen == ""
    gold = {f"g{n}": CLASSES[n % 3] for n in range(60)}
    await service.add(project, list(gold), labels=list(gold.values()), split=Split.GOLD, upload="gold")
    wrong = {item: CLASSES[(CLASSES.index(label) + 1) % 3] for item, label in gold.items()}
    for number, name in enumerate(("one", "two", "three")):
        mistaken = {item: wrong[item] if n % 3 else label for n, (item, label) in enumerate(gold.items())}
        await service.answer_as_llm(project, mistaken if number else gold, annotator=name)
    found = await service.parts.reports.quality.consensus.compare(project)
    assert (found.shared_items, found.gold_items) == (60, 60)
    assert found.chosen != "majority"
    assert found.methods["majority"].estimate.value < 0.5 < found.methods[found.chosen].estimate.low
    assert found.methods["crowdlab"].estimate.items == 60


async def test_advice_about_all_items_makes_shares_and_accuracy_narrower(service):
    project = await filled(service)
    await run(service, project, 100)

    async def widths():
        shares = (await service.parts.reports.quality.shares.shares(project)).shares
        return [min(f.estimate.high - f.estimate.low for f in share.figures) for share in shares]

    async def advise(rows):
        said = [(row, TRUTH[IDS[row - 30]]) for row in rows]
        await service.parts.base.store.write(
            lambda tx: tx.advice.put([advice(project, row, label) for row, label in said])
        )

    alone = await widths()
    stream = await service.parts.base.store.read(lambda tx: audit_stream(tx, project.id))
    await advise(stream.picked_rows)
    # Who was asked about picked items alone cannot stand for the others.
    assert await widths() == alone
    await advise(range(30, 330))
    assert all(with_advice < 0.8 * width for with_advice, width in zip(await widths(), alone, strict=True))


async def test_labels_from_a_file_do_not_take_predictions_away(service):
    project = await filled(service)
    await service.label(project, {item: TRUTH[item] for item in IDS[200:]}, annotator="file")
    await run(service, project, 100)
    said = [(row, TRUTH[IDS[row - 30]]) for row in range(30, 330)]
    await service.parts.base.store.write(lambda tx: tx.advice.put([advice(project, row, label) for row, label in said]))
    shares = (await service.parts.reports.quality.shares.shares(project)).shares
    for share in shares:
        assert FigureKind.PREDICTION_POWERED in {one.kind for one in share.figures}
        truth = np.mean([label == share.label for label in TRUTH.values()])
        assert all(one.estimate.low - 0.05 <= truth <= one.estimate.high + 0.05 for one in share.figures)
    # A hundred of the 300 were known before the first draw.
    known = await service.parts.base.store.read(lambda tx: audit_stream(tx, project.id))
    assert {one.pool_size for one in known.draws} == {200}


async def test_annotators_are_judged_on_the_pool_by_draws_and_never_told_less_surely_with_predictions(service):
    project = await filled(service)
    reports = service.parts.reports.quality.annotator_accuracies
    await run(service, project, 120)
    assert await reports.of(project) == []
    wrong = {CLASSES[0]: CLASSES[1], CLASSES[1]: CLASSES[2], CLASSES[2]: CLASSES[0]}
    # It takes one class for another, always: what it says tells how right it is.
    said = [(row, label if label != CLASSES[1] else wrong[label]) for row, label in enumerate(TRUTH.values(), 30)]
    await service.parts.base.store.write(lambda tx: tx.advice.put([advice(project, row, label) for row, label in said]))
    (found,) = await reports.of(project)
    assert found.annotator == "gpt"
    truth = np.mean([label != CLASSES[1] for label in TRUTH.values()])
    kinds = {(one.kind, one.anytime): one.estimate for one in found.figures}
    assert {kind for kind, _ in kinds} == {FigureKind.AUDIT, FigureKind.PREDICTION_POWERED}
    for anytime in (False, True):
        audit, joined = (kinds[kind, anytime] for kind in (FigureKind.AUDIT, FigureKind.PREDICTION_POWERED))
        assert joined.high - joined.low < audit.high - audit.low
        assert all(one.low - 0.05 <= truth <= one.high + 0.05 for one in (audit, joined))
    assert kinds[FigureKind.AUDIT, False].items == 60


async def test_a_delivery_is_measured_on_draws_by_what_it_would_have_said_without_people(service):
    project = await filled(service)
    mistaken = {item: CLASSES[0] if n % 5 == 0 else TRUTH[item] for n, item in enumerate(IDS)}
    await run(service, project, 100)
    await service.answer_as_llm(project, mistaken)
    found = await service.parts.reports.quality.measured_deliveries.of(project, 0.9)
    stream = await service.parts.base.store.read(lambda tx: audit_stream(tx, project.id))
    looked_at = {IDS[row - 30] for row in stream.picked_rows}
    truth = np.mean([item in looked_at or mistaken[item] == TRUTH[item] for item in IDS])
    assert found[0].kind is FigureKind.AUDIT
    assert all(one.estimate.low - 0.05 <= truth <= one.estimate.high for one in found)


async def test_labels_of_a_learner_are_measured_by_learners_that_have_not_seen_the_draws(service, monkeypatch):
    project = await service.create(learner=Component("logistic_regression"))
    told = [TRUTH[item] if n % 5 else CLASSES[(n // 5) % 3] for n, item in enumerate(IDS)]
    await service.add(project, IDS, labels=list(TRUTH.values()), embedded_as=told)
    await service.replay_run(project, TRUTH, limit=Cost(labels=100), audit_share=1.0, batch_size=50, seed=2)
    found = await service.parts.reports.quality.measured_deliveries.of(project, 0.9)
    deliveries = service.parts.reports.quality.deliveries
    key, summary = await deliveries.found(project, 0.9)
    assert summary.items[LabelSource.LEARNER] == 200
    page = await deliveries.page(project, 0.9, key, -1, 300)
    truth = np.mean([one.labeled.body == Label(TRUTH[one.item.item_id]) for one in page.items])
    assert truth < 0.95
    assert [one.estimate.items for one in found if one.kind is FigureKind.AUDIT] == [100, 100]
    assert all(one.estimate.low <= truth <= one.estimate.high for one in found)
    # A learner that has seen a label says it more often: the draws that it was trained on would flatter it.
    assert abs(found[0].estimate.value - truth) < 0.08
    # Draws of a class with few labels count together: their learners were trained on each other's labels.
    monkeypatch.setattr(measured, "FEW_LABELS", 101)
    monkeypatch.setattr(measured, "design_effect", lambda right_n, class_n, learned_n, few_n: 1.0 + 3.0 * few_n.mean())
    wider = await service.parts.reports.quality.measured_deliveries.of(project, 0.9)
    for one, wide in zip(found, wider, strict=True):
        assert wide.estimate.value == one.estimate.value
        assert wide.estimate.low < one.estimate.low


def advice(project, row, label):
    provenance, unsure = Provenance("gpt"), ConfidenceKind.UNCALIBRATED
    answer = Answer(Outcome.LABEL, provenance, Label(label), confidence=0.9, confidence_kind=unsure)
    return Advice(project.id, row, IDS[row - 30], "gpt", answer, run="", created_at=datetime.now(UTC))


async def test_shares_are_told_by_slice(service):
    project = await service.create(learner=Component("logistic_regression"))
    await service.add(project, IDS, labels=list(TRUTH.values()), metadata=[f'{{"odd": {n % 2}}}' for n in range(300)])
    await run(service, project, 120)
    found = await service.parts.reports.quality.shares.shares(project, by="odd")
    assert {one.value for one in found.slices} == {"0", "1"}
    assert sum(one.draws for one in found.slices) == found.draws
    odd = next(one for one in found.slices if one.value == "1")
    assert odd.shares[0].label == CLASSES[0]
    assert odd.shares[0].figures[0].estimate.value == pytest.approx(1.0)
    assert not any(f.anytime for share in odd.shares for f in share.figures)
    with pytest.raises(InvalidArgument, match="lang: none of 300 items"):
        await service.parts.reports.quality.shares.shares(project, by="lang")

"""A project of scores from its first item to its model, over real stores."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from nextlabel.server.assessment.estimates.figures import FigureKind
from nextlabel.server.domain.labeling.joined import heard
from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.labeling.submissions import SubmitStatus
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.reports.estimates.accuracy import AccuracyReports
from nextlabel.server.tasks.answer_form import written
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import Outcome, Score
from nextlabel.server.values.labeling.item_states import NeedReason
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, LearnerOptions
from nextlabel.server.values.runs.runs import RunState
from tests.domain.service import DIMENSION, Service
from tests.fake_anthropic import FakeAnthropic
from tests.fake_anthropic.brains import Asked, Known

pytestmark = pytest.mark.started

STARS = ScoreRange(1, 5, 1)


def vectors(stars: list[float]) -> np.ndarray:
    rng = np.random.default_rng(len(stars))
    points = 0.15 * rng.standard_normal((len(stars), DIMENSION))
    points[:, 0] += (np.array(stars) - 3) / 2
    points[:, 1] += 0.5
    unit: np.ndarray = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    return unit


async def add(service: Any, project: Any, ids: list[str], split: Split = Split.POOL) -> dict[str, float]:
    truth = {item: 1.0 + n % 5 for n, item in enumerate(ids)}
    labels = ["" if split is Split.POOL else written(Score(stars)) or "" for stars in truth.values()]
    splits, plain = [split] * len(ids), [""] * len(ids)
    incoming = IncomingItems(ids, [f"text of {i}" for i in ids], plain, splits, labels, vectors(list(truth.values())))
    receipt = await (await service.parts.pool.ingest.add(project, split.value, 1, incoming))
    assert receipt.accepted == len(ids), receipt.errors
    return truth


async def answer(service: Any, project: Any, answers: dict[str, float], who: str = "ann") -> Any:
    rows = (await service.parts.pool.pools.find(project.id, list(answers))).tolist()
    given = [Submission(item, Score(stars)) for item, stars in answers.items()]
    known = KnownRows(dict(zip(answers, rows, strict=True)), {})
    return await service.parts.base.store.write(
        lambda tx: service.parts.labeling.submissions.submit(tx, project, who, "", given, known)
    )


async def filled(service: Service) -> tuple[Any, dict[str, float]]:
    project = await service.create(annotation_type=AnnotationType.SCORE, classes=(), score_range=STARS)
    await add(service, project, [f"h{n}" for n in range(30)], Split.HOLDOUT)
    return project, await add(service, project, [f"i{n}" for n in range(80)])


@pytest.mark.parametrize("strategy", ["default", "margin", "bald", "badge", "balanced_margin"])
async def test_a_run_learns_scores_by_any_kind_of_strategy_and_ends_with_a_curve(service, strategy):
    project, truth = await filled(service)
    known = {item: written(Score(stars)) for item, stars in truth.items()}
    run = await service.replay_run(project, known, batch_size=16, strategy=Component(strategy), limit=Cost(labels=48))
    assert run.state is RunState.FINISHED, run
    newest = (await service.parts.base.store.read(lambda tx: tx.models.list(project.id)))[-1]
    assert newest.accuracy > 0.5
    assert newest.macro_f1 is None
    assert newest.evaluation["measures"]["mean_absolute_error"] < 0.7
    assert newest.evaluation["measures"]["spearman"] > 0.8


async def test_its_answers_are_scores_with_intervals_and_the_learner_annotates_with_them(service):
    project, truth = await filled(service)
    await answer(service, project, dict(list(truth.items())[:40]))
    await service.parts.learning.learning.train(project)
    _, probabilities, answers = await service.parts.learning.learning.answers(project, vectors([1, 2, 3, 4, 5]))
    assert probabilities.shape == (5, 0)
    found = [a.body.value for a in answers]
    assert found == sorted(found)
    assert all(low <= score <= high for score, (low, high) in zip(found, [a.interval for a in answers], strict=True))
    run = await service.replay_run(project, {"i1": "2.0"}, annotator=LearnerOptions(), batch_size=8)
    assert run.state is RunState.FINISHED, run
    by_learner = (await service.parts.labeling.labels.by_annotator(project))["learner"]
    assert np.mean([abs(a.answer.body.value - truth[a.item_id]) for a in by_learner]) < 0.8


async def test_people_far_apart_need_another_and_answers_off_the_range_are_refused_alone(service):
    project, _ = await filled(service)
    await answer(service, project, {"i3": 1, "i5": 2})
    await answer(service, project, {"i3": 5, "i5": 3}, who="bob")
    standing = await service.parts.labeling.standings.of(project)
    row = (await service.parts.pool.pools.find(project.id, ["i3"]))[0]
    assert {r: need.reason for r, need in standing.needs.items()} == {row: NeedReason.NO_AGREEMENT}
    refused = await answer(service, project, {"i7": 3.5, "i8": 6, "i9": 4}, who="eve")
    assert [(r.item_id, r.status, r.message) for r in refused] == [
        ("i7", SubmitStatus.REFUSED, "a score lies from 1 to 5 in steps of 1, got 3.5"),
        ("i8", SubmitStatus.REFUSED, "a score lies from 1 to 5 in steps of 1, got 6"),
        ("i9", SubmitStatus.ACCEPTED, ""),
    ]


async def test_an_llm_scores_within_the_range_and_learns_what_its_confidence_is_worth(tmp_path, monkeypatch):
    def brain(asked: Asked) -> Any:
        if asked.labels:  # the probe
            return Known({})(asked)
        assert "Give a score from 1 to 5 in steps of 1." in asked.system + asked.user
        [(_, text)] = asked.items
        # It takes every fifth item for half a star too much, which no project of whole stars has.
        number = int("".join(c for c in text if c.isdigit()))
        return {"score": 1.0 + number % 5 + (0.5 if number % 5 == 0 else 0.0)}

    async with FakeAnthropic(brain=brain) as fake:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
        service = Service(tmp_path)
        service.parts.start()
        project, _ = await filled(service)
        await add(service, project, [f"g{n}" for n in range(20)], Split.GOLD)
        claude = AnthropicOptions(model="claude-haiku-4-5")
        run = await service.replay_run(project, {"i1": "2.0"}, annotator=claude, batch_size=10, max_rounds=3)
        assert run.state is RunState.FINISHED, run
        given = (await service.parts.labeling.labels.by_annotator(project))[claude.annotator_name]
        outcomes = {a.item_id: a.outcome for a in given}
        assert all((outcomes[i] is Outcome.INVALID) == (int(i[1:]) % 5 == 0) for i in outcomes)
        [report] = await service.parts.reports.annotators.of(project)
        assert report.agreement is None
        parts = service.parts
        reports = AccuracyReports(parts.base.store, parts.pool.pools, parts.labeling.labels, parts.learning.learning)
        figures = await reports.accuracy(project)
        assert [figure.estimate.value for figure in figures.labels] == [1.0]
        await service.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score_range": ScoreRange(5, 1)}, "minimum 5 must be below maximum 1"),
        ({"score_range": ScoreRange(0, float("inf"))}, "finite"),
        ({"score_range": ScoreRange(0, 1, 2)}, "step must be from 0"),
        ({"learner": Component("lda")}, "'lda' does not learn score annotations; allowed are default"),
        ({"learner": Component("default", {"C": 1.0})}, "has no part in learning score annotations"),
    ],
)
async def test_what_cannot_be_is_refused_when_the_project_is_made(service, change, message):
    with pytest.raises(InvalidArgument, match=message):
        await service.create(annotation_type=AnnotationType.SCORE, classes=(), **change)


async def test_the_mean_score_of_the_pool_is_told_from_the_draws_with_intervals(service):
    project, truth = await filled(service)
    shares = service.parts.reports.quality.shares
    assert (await shares.shares(project)).mean == ()
    known = {item: written(Score(stars)) for item, stars in truth.items()}
    await service.replay_run(project, known, batch_size=20, audit_share=0.6, limit=Cost(labels=60))
    found = await shares.shares(project)
    assert (found.shares, found.draws, found.unanswered_draws) == ((), 36, 0)
    told = {(figure.kind, figure.anytime) for figure in found.mean}
    assert told == {(kind, watched) for kind in (FigureKind.AUDIT, FigureKind.PREDICTION_POWERED) for watched in (0, 1)}
    for figure in found.mean:
        assert figure.estimate.low - 0.05 < np.mean(list(truth.values())) < figure.estimate.high + 0.05
        assert 1 <= figure.estimate.low < figure.estimate.high <= 5
    widths = {f.kind: f.estimate.high - f.estimate.low for f in found.mean if not f.anytime}
    assert widths[FigureKind.PREDICTION_POWERED] < 0.8 * widths[FigureKind.AUDIT]


async def test_a_target_that_needs_classes_is_refused(service):
    project, _ = await filled(service)
    with pytest.raises(InvalidArgument, match="no classes; set a target of accuracy"):
        await service.replay_run(project, {"i1": "2.0"}, target_macro_f1=0.9)


async def test_scores_of_several_are_joined_by_how_each_scores_on_every_server(service):
    project, truth = await filled(service)
    names = list(truth)[:40]
    await answer(service, project, {i: min(truth[i] + 2, 5) for i in names}, who="high")
    await answer(service, project, {i: truth[i] for i in names}, who="fair")
    await answer(service, project, {i: truth[i] for i in names[:30]}, who="bob")
    labels = service.parts.labeling.labels
    model = await labels.raters(project)
    assert model.raters["high"].bias > model.raters["fair"].bias + 1
    report = (await service.parts.reports.annotators.of(project, "high"))[0]
    assert report.rater == model.raters["high"]
    agreed = await labels.consensus(project)
    by_id = {one.item_id: one.body.value for one in agreed.values()}
    error = np.mean([abs(by_id[i] - truth[i]) for i in names[30:]])
    plain = np.mean([abs((min(truth[i] + 2, 5) + truth[i]) / 2 - truth[i]) for i in names[30:]])
    assert error < plain
    elsewhere = type(labels)(service.parts.base.store, service.parts.base.limits, service.parts.base.workers.callers)
    assert {r: c.body for r, c in (await elsewhere.consensus(project)).items()} == {
        r: c.body for r, c in agreed.items()
    }
    # What one person alone scored stays as it was given.
    await answer(service, project, {"i50": 2.0}, who="high")
    row = int((await service.parts.pool.pools.find(project.id, ["i50"]))[0])
    assert (await labels.consensus(project))[row].body == Score(2.0)


def test_how_annotators_score_is_found_anew_when_a_tenth_more_is_known():
    counted = [heard(count) for count in range(5_000)]
    assert counted[:101] == list(range(101))
    assert all(later >= earlier for earlier, later in pairwise(counted))
    assert all(n / 1.12 <= at <= n for n, at in enumerate(counted))
    assert len(set(counted[101:])) < 45

"""A multi-label project from its first item to its model, over real stores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.tasks.answer_form import written
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import MultiLabel
from nextlabel.server.values.labeling.item_states import NeedReason
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component, LabelClass
from nextlabel.server.values.runs.annotator_options import LearnerOptions
from nextlabel.server.values.runs.runs import RunState
from tests.domain.service import CLASSES, DIMENSION, Service

pytestmark = pytest.mark.started

TRUTH = [tuple(c for bit, c in enumerate(CLASSES) if n >> bit & 1) for n in range(8)]


def vectors(answers: list[tuple[str, ...]]) -> np.ndarray:
    rng = np.random.default_rng(len(answers))
    points = np.array([[float(c in names) for c in CLASSES] + [0.3] * (DIMENSION - len(CLASSES)) for names in answers])
    points += 0.1 * rng.standard_normal(points.shape)
    unit: np.ndarray = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    return unit


async def add(service: Any, project: Any, ids: list[str], split: Split = Split.POOL) -> dict[str, tuple[str, ...]]:
    truth = {item: TRUTH[n % 8] for n, item in enumerate(ids)}
    labels = ["" if split is Split.POOL else written(MultiLabel(names)) or "" for names in truth.values()]
    splits, plain = [split] * len(ids), [""] * len(ids)
    incoming = IncomingItems(ids, [f"text of {i}" for i in ids], plain, splits, labels, vectors(list(truth.values())))
    receipt = await (await service.parts.pool.ingest.add(project, split.value, 1, incoming))
    assert receipt.accepted == len(ids), receipt.errors
    return truth


async def answer(service: Any, project: Any, answers: dict[str, tuple[str, ...]], who: str = "ann") -> None:
    rows = (await service.parts.pool.pools.find(project.id, list(answers))).tolist()
    given = [Submission(item, MultiLabel(names)) for item, names in answers.items()]
    known = KnownRows(dict(zip(answers, rows, strict=True)), {})
    await service.parts.base.store.write(
        lambda tx: service.parts.labeling.submissions.submit(tx, project, who, "", given, known)
    )


async def filled(service: Service) -> tuple[Any, dict[str, tuple[str, ...]]]:
    project = await service.create(annotation_type=AnnotationType.MULTI_LABEL)
    await add(service, project, [f"h{n}" for n in range(24)], Split.HOLDOUT)
    return project, await add(service, project, [f"i{n}" for n in range(64)])


@pytest.mark.parametrize("strategy", ["default", "min_margin", "vote_entropy"])
async def test_a_run_learns_every_class_and_ends_with_a_curve(service, strategy):
    project, truth = await filled(service)
    known = {item: written(MultiLabel(names)) for item, names in truth.items()}
    run = await service.replay_run(project, known, batch_size=16, strategy=Component(strategy), limit=Cost(labels=48))
    assert run.state is RunState.FINISHED, run
    versions = await service.parts.base.store.read(lambda tx: tx.models.list(project.id))
    assert len(versions) >= 2
    assert versions[-1].macro_f1 > 0.9
    assert set(versions[-1].evaluation["measures"]) == {
        "micro_f1",
        "mean_average_precision",
        "ranking_average_precision",
    }


async def test_its_answers_are_sets_and_the_learner_annotates_with_them(service):
    project, truth = await filled(service)
    await answer(service, project, dict(list(truth.items())[:40]))
    await service.parts.learning.learning.train(project)
    _, probabilities, answers = await service.parts.learning.learning.answers(project, vectors(TRUTH))
    assert [a.body.names for a in answers] == [tuple(sorted(names)) for names in TRUTH]
    assert probabilities.shape == (8, 3)
    assert probabilities[7].sum() > 1.5
    run = await service.replay_run(project, {"i1": '["left"]'}, annotator=LearnerOptions(), batch_size=8)
    assert run.state is RunState.FINISHED, run
    by_learner = (await service.parts.labeling.labels.by_annotator(project))["learner"]
    right = [a.answer.body.names == tuple(sorted(truth[a.item_id])) for a in by_learner]
    assert np.mean(right) > 0.8


async def test_what_nobody_agrees_on_goes_to_another(service):
    project, _ = await filled(service)
    await answer(service, project, {"i3": ("left", "up"), "i5": ("left",)})
    await answer(service, project, {"i3": ("left",), "i5": ("left",)}, who="bob")
    standing = await service.parts.labeling.standings.of(project)
    row = (await service.parts.pool.pools.find(project.id, ["i3"]))[0]
    assert {r: need.reason for r, need in standing.needs.items()} == {row: NeedReason.NO_AGREEMENT}
    assert standing.consensus[row].probabilities_C.tolist() == [1.0, 0.0, 0.5]


async def test_an_estimator_of_single_labels_is_refused_when_the_project_is_made(service):
    with pytest.raises(InvalidArgument, match="'lda' does not learn multi_label annotations; allowed are default"):
        await service.create(annotation_type=AnnotationType.MULTI_LABEL, learner=Component("lda"))


PATHS = ["animal/cat/tabby", "animal/dog", "plant"]


async def test_an_answer_names_all_that_its_classes_are_kinds_of(service):
    project = await service.create(
        annotation_type=AnnotationType.MULTI_LABEL, classes=[LabelClass(c) for c in PATHS], paths=True
    )
    every = ("animal", "animal/cat", "animal/cat/tabby", "animal/dog", "plant")
    assert project.class_names == every
    truth = await add(service, project, ["i0", "i1"])
    await answer(service, project, dict.fromkeys(truth, ("animal/cat/tabby", "plant")))
    standing = await service.parts.labeling.standings.of(project)
    row = (await service.parts.pool.pools.find(project.id, ["i0"]))[0]
    assert standing.consensus[row].body == MultiLabel(("animal", "animal/cat", "animal/cat/tabby", "plant"))
    # The same answer, with what it implies or without: nothing new is kept.
    await answer(service, project, {"i0": every[:3] + every[4:]})
    assert len((await service.parts.labeling.labels.rows(project))[row]) == 1
    changed = await service.add_class(project, "plant/tree/oak")
    assert changed.class_names == (*every, "plant/tree", "plant/tree/oak")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"annotation_type": AnnotationType.SINGLE_LABEL}, "only classes of multi_label annotations can be paths"),
        ({"classes": [LabelClass("left"), LabelClass("up")]}, "no class is a path"),
        ({"classes": [LabelClass("a/b"), LabelClass("a//c")]}, r"classes\[1\].*must not be empty"),
    ],
)
async def test_paths_that_are_none_are_refused(service, changes, problem):
    given = {"annotation_type": AnnotationType.MULTI_LABEL, "classes": [LabelClass(c) for c in PATHS], **changes}
    with pytest.raises(InvalidArgument, match=problem):
        await service.create(paths=True, **given)


async def test_without_paths_a_slash_means_nothing(service):
    project = await service.create(annotation_type=AnnotationType.MULTI_LABEL, classes=[LabelClass(c) for c in PATHS])
    assert project.class_names == tuple(PATHS)
    await add(service, project, ["i0"])
    await answer(service, project, {"i0": ("animal/dog",)})
    standing = await service.parts.labeling.standings.of(project)
    assert [c.body for c in standing.consensus.values()] == [MultiLabel(("animal/dog",))]

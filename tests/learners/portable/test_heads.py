"""An exported model gives the probabilities that the service gives, whatever was trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from nextlabel.server.learners.candidates.description import CandidateChoice, LearnerCandidate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.multi_label.learner import train_multi_label
from nextlabel.server.learners.multi_label.model import MultiLabelModel
from nextlabel.server.learners.multi_label.training import MultiLabelTraining
from nextlabel.server.learners.portable import graph as graph_module
from nextlabel.server.learners.portable.heads import head_file
from nextlabel.server.learners.scores.model import ScoreModel
from nextlabel.server.learners.scores.ordinal import OrdinalHead
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import ESTIMATORS, parse_learner_spec
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.projects.score_range import ScoreRange
from tests.learners.blobs import Blobs

WITHIN = 1e-5


def of_file(model: Model | MultiLabelModel, embeddings: Any) -> Any:
    session = onnxruntime.InferenceSession(head_file(model, embeddings.shape[1]))
    return session.run(["probabilities"], {"embeddings": embeddings})[0]


def assert_same(model: Model | MultiLabelModel, embeddings: Any) -> None:
    found, expected = of_file(model, embeddings), model.predict_proba(embeddings)
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=WITHIN)


def trained(training: TrainingSet, blobs: Blobs, estimator: str, previous: Model | None = None, **params: Any) -> Model:
    return train(training, blobs.embeddings[600:900], parse_learner_spec(estimator, params), 0, previous)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_says_the_same(blobs: Blobs, estimator: str, classes: int) -> None:
    rows = np.flatnonzero(blobs.labels[:300] < classes)
    # Items that were trained on, and items that were not.
    assert_same(trained(blobs.training(rows), blobs, estimator), blobs.embeddings[200:1200])


def test_votes_that_all_count_alike_say_the_same(blobs: Blobs) -> None:
    assert_same(trained(blobs.training(slice(60)), blobs, "nearest_neighbors", weights="uniform"), blobs.embeddings)


@pytest.mark.parametrize("candidate", LearnerCandidate)
def test_every_candidate_of_the_default_learner_says_the_same(blobs: Blobs, candidate: LearnerCandidate) -> None:
    first = trained(blobs.training(slice(60)), blobs, "default")
    choice = CandidateChoice(candidate, described=False, scores=(), held_out=60, sharpness=3.0)
    chosen = replace(first, description=replace(first.description, choice=choice))
    model = trained(blobs.training(slice(61)), blobs, "default", chosen)
    assert model.description.choice == choice
    assert_same(model, blobs.embeddings[900:])


@pytest.mark.parametrize("labels", [0, 1, 2])
def test_a_model_of_hardly_any_labels_says_the_same(blobs: Blobs, labels: int) -> None:
    assert_same(trained(blobs.training(slice(labels)), blobs, "default"), blobs.embeddings[:9])


@pytest.mark.parametrize("estimator", ["default", "logistic_regression"])
def test_several_classes_an_item_say_the_same(blobs: Blobs, estimator: str) -> None:
    targets = np.eye(5, dtype=np.float32)[blobs.labels[:200]]
    targets[::3, 0] = 1
    known = MultiLabelTraining(blobs.embeddings[:200], targets, np.full(200, True), blobs.classes)
    assert_same(train_multi_label(known, parse_learner_spec(estimator, {}), 0, None), blobs.embeddings[900:])


def test_classes_that_are_paths_are_as_probable_as_their_kinds(blobs: Blobs) -> None:
    targets = np.eye(5, dtype=np.float32)[blobs.labels[:200]]
    parents = (1, -1, -1, 0, 2)
    known = MultiLabelTraining(blobs.embeddings[:200], targets, np.full(200, True), blobs.classes, parents_C=parents)
    model = train_multi_label(known, parse_learner_spec("default", {}), 0, None)
    assert model.parents_C == parents
    assert_same(model, blobs.embeddings[900:])


@pytest.mark.parametrize("cuts", [(), (-1.0, 0.5, 2.0, 2.5)], ids=["any number", "a few levels"])
def test_scores_and_their_intervals_are_the_same(blobs: Blobs, cuts: tuple[float, ...]) -> None:
    unused: Any = None
    coef = np.random.default_rng(0).normal(size=32).astype(np.float32)
    ordinal = OrdinalHead(2 * coef, np.array(cuts, np.float32)) if cuts else None
    model = ScoreModel(unused, ScoreRange(1, 5, 0.5), coef, 0.4, 1.0, 0.1, 0.2, unused, ordinal)
    session = onnxruntime.InferenceSession(head_file(model, 32))
    found = session.run(["scores"], {"embeddings": blobs.embeddings})[0]
    scores = model.predict(blobs.embeddings)
    assert (scores.min(), scores.max()) == pytest.approx((1, 5), abs=0.5)
    np.testing.assert_allclose(found, np.column_stack([scores, model.intervals(scores)]), rtol=0, atol=WITHIN)


def test_a_file_that_nobody_could_load_is_refused(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_module, "MAX_BYTES", 1_000)
    with pytest.raises(FailedPrecondition, match="train another learner"):
        head_file(trained(blobs.training(slice(60)), blobs, "nearest_neighbors"), 32)

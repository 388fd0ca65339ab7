"""Learners whose penalty suits embeddings of any length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nextlabel.server.assessment.ranking.davidson import FIRST, SECOND
from nextlabel.server.learners.multi_label.learner import train_multi_label
from nextlabel.server.learners.multi_label.training import MultiLabelTraining
from nextlabel.server.learners.preferences.learner import train_preferences
from nextlabel.server.learners.preferences.training import PreferenceTraining
from nextlabel.server.learners.scale import spread_of
from nextlabel.server.learners.scores.learner import train_scores, weight_samples
from nextlabel.server.learners.scores.training import ScoreTraining
from nextlabel.server.learners.single_label.committee import train_committee
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.values.projects.score_range import ScoreRange
from tests.learners.blobs import Blobs


def test_the_spread_is_the_distance_from_the_mean_wherever_that_is() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    assert spread_of(rows[:200], rows[200:]) == pytest.approx(4, rel=0.02)
    assert spread_of(25 * rows + 50) == pytest.approx(25 * spread_of(rows), rel=1e-3)
    assert spread_of(rows[:0]) == spread_of(np.zeros_like(rows)) == 1


def test_copies_of_one_text_are_not_drawn_apart() -> None:
    rows = np.random.default_rng(0).normal(size=(1, 16)).astype(np.float32)
    quarter = pytest.approx(float(np.linalg.norm(rows)) / 4, rel=1e-2)
    assert spread_of(rows) == quarter
    assert spread_of(rows, rows + 1e-3) == quarter


@pytest.mark.parametrize(("estimator", "factor"), [("default", 25), ("logistic_regression", 0.01)])
def test_embeddings_of_another_length_make_the_same_model(blobs: Blobs, estimator: str, factor: float) -> None:
    spec = parse_learner_spec(estimator, {})
    first, more = blobs.training(slice(0, 12)), blobs.training(slice(0, 14))
    pool = blobs.embeddings[100:300]
    as_is = train(more, pool, spec, 0, train(first, pool, spec, 0, None))
    long = train(first.stretched(factor), factor * pool, spec, 0, None)
    long = train(more.stretched(factor), factor * pool, spec, 0, long)
    np.testing.assert_allclose(long.predict_proba(factor * pool), as_is.predict_proba(pool), atol=2e-3)
    committees = train_committee(more.stretched(factor), long, 2, 0), train_committee(more, as_is, 2, 0)
    for one, other in zip(*committees, strict=True):
        np.testing.assert_allclose(one.predict_proba(factor * pool), other.predict_proba(pool), atol=2e-3)


def test_several_classes_are_learned_from_embeddings_of_any_length(blobs: Blobs) -> None:
    rows, spec = blobs.embeddings[:60], parse_learner_spec("default", {})
    targets = np.eye(5, dtype=np.float32)[blobs.labels[:60]]
    training = MultiLabelTraining(rows, targets, np.ones(60, np.bool_), blobs.classes)
    as_is = train_multi_label(training, spec, 0, None)
    long = train_multi_label(training.stretched(25), spec, 0, as_is)
    np.testing.assert_allclose(long.predict_proba(25 * rows), as_is.predict_proba(rows), atol=0.02)


def test_scores_are_learned_from_embeddings_of_any_length(blobs: Blobs) -> None:
    rows, spec = blobs.embeddings[:60], parse_learner_spec("default", {})
    training = ScoreTraining(rows, blobs.labels[:60].astype(np.float64) + 1, np.ones(60, np.bool_), ScoreRange(1, 5, 1))
    as_is, long = (train_scores(replace(training, embeddings_ND=factor * rows), spec) for factor in (1, 25))
    np.testing.assert_allclose(long.predict(25 * rows), as_is.predict(rows), atol=0.02)
    one, other = (
        weight_samples(replace(training, embeddings_ND=factor * rows), model, 1, 0)[0]
        for factor, model in ((1, as_is), (25, long))
    )
    np.testing.assert_allclose(25 * rows @ other[0] + other[1], rows @ one[0] + one[1], atol=1e-3)


def test_preferences_are_learned_from_embeddings_of_any_length(blobs: Blobs) -> None:
    spec, pairs = parse_learner_spec("default", {}), blobs.embeddings[:80].reshape(40, -1)
    answers = np.where(blobs.labels[:80:2] < blobs.labels[1:80:2], FIRST, SECOND)
    as_is, long = (
        train_preferences(PreferenceTraining(factor * pairs, answers, np.ones(40, np.bool_)), spec)
        for factor in (np.float32(1), np.float32(25))
    )
    np.testing.assert_allclose(long.predict_proba(25 * pairs), as_is.predict_proba(pairs), atol=2e-3)

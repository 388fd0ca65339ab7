"""The score learner: what it predicts, how far it says to be off, and what strategies see of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import Ridge

from nextlabel.server.learners.persistence import load_model, save_model
from nextlabel.server.learners.scores.evaluation import evaluate_scores
from nextlabel.server.learners.scores.learner import train_scores, weight_samples
from nextlabel.server.learners.scores.levels import LEVELS, level_head, levels_of
from nextlabel.server.learners.scores.model import ScoreModel
from nextlabel.server.learners.scores.training import ScoreTraining
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import InvalidTrainingSetError
from nextlabel.server.values.projects.score_range import ScoreRange

STARS = ScoreRange(1, 5, 1)
DEFAULT = parse_learner_spec("default", {})
RNG = np.random.default_rng(3)
POINTS = RNG.normal(size=(900, 16)).astype(np.float32)
POINTS /= np.linalg.norm(POINTS, axis=1, keepdims=True)
TRUTH = np.clip(np.rint(3 + 4 * POINTS[:, 0] + 3 * POINTS[:, 1] + 0.4 * RNG.normal(size=900)), 1, 5)


def training(n: int, trusted: bool = True) -> ScoreTraining:
    return ScoreTraining(POINTS[:n], TRUTH[:n], np.full(n, trusted), STARS)


@pytest.fixture(scope="module")
def model() -> ScoreModel:
    return train_scores(training(300), DEFAULT)


def test_it_is_the_ridge_of_its_penalty_and_errs_on_new_items_as_it_says(model: ScoreModel) -> None:
    peer = Ridge(model.penalty).fit(POINTS[:300].astype(float), TRUTH[:300])
    predicted = replace(model, ordinal=None).predict(POINTS[300:])
    np.testing.assert_allclose(predicted, np.clip(peer.predict(POINTS[300:]), 1, 5), atol=1e-4)
    found = evaluate_scores(model, POINTS[300:], TRUTH[300:])
    assert found.measures["root_mean_squared_error"] == pytest.approx(4 * model.spread, rel=0.15)
    assert 0.9 < found.measures["interval_coverage"] < 0.99
    assert found.measures["interval_width"] < 3
    assert found.accuracy == np.mean(np.abs(model.predict(POINTS[300:]) - TRUTH[300:]) <= 0.5 + 1e-5)
    assert min(found.measures["spearman"], found.measures["quadratic_weighted_kappa"], found.accuracy) > 0.6


def test_it_is_as_sure_as_it_is_right(model: ScoreModel) -> None:
    right = evaluate_scores(model, POINTS[300:], TRUTH[300:]).accuracy
    assert model.sureness() == pytest.approx(right, abs=0.08)
    assert train_scores(training(18), DEFAULT).sureness() is None


@pytest.mark.parametrize("n", [1, 2, 4, 5, 9, 18, 19])
def test_any_number_of_labels_makes_a_model_within_the_range(n: int) -> None:
    few = train_scores(training(n), DEFAULT)
    predicted = few.predict(POINTS)
    assert ((predicted >= 1) & (predicted <= 5)).all()
    low, high = few.intervals(predicted).T
    assert ((low >= 1) & (low <= predicted) & (predicted <= high) & (high <= 5)).all()
    # No 95 % can be told from fewer than 19 errors.
    assert ((low == 1) & (high == 5)).all() == (n < 19)
    assert "spearman" not in evaluate_scores(few, POINTS[:2], np.array([3.0, 3.0])).measures


def test_scores_of_an_llm_count_less_than_those_of_people() -> None:
    twice = np.concatenate([POINTS[:200]] * 2)
    turned = np.concatenate([TRUTH[:200], 6 - TRUTH[:200]])
    both = train_scores(ScoreTraining(twice, turned, np.arange(400) < 200, STARS), DEFAULT)
    assert np.corrcoef(both.predict(POINTS[200:]), TRUTH[200:])[0, 1] > 0.6
    people = train_scores(training(200), DEFAULT)
    assert both.half_width == pytest.approx(people.half_width, rel=0.6)


def test_strategies_see_the_normal_density_at_the_middles_of_the_levels(model: ScoreModel) -> None:
    head = level_head(model.coef_D, model.intercept, model.spread)
    middles = (np.arange(LEVELS) + 0.5) / LEVELS
    means = POINTS[:50] @ model.coef_D + model.intercept
    density = norm.pdf(middles[None], means[:, None], max(model.spread, 1 / (2 * LEVELS)))
    expected = density / density.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.predict_proba(POINTS[:50]), expected, atol=1e-4)
    whole = replace(training(4), scores_N=np.array([1.0, 1.6, 3.0, 5.0]))
    assert levels_of(whole).tolist() == [0, 0, 3, LEVELS - 1]


def test_drawn_models_differ_most_where_there_are_no_labels() -> None:
    near = np.zeros((60, 16), np.float32)
    near[:, 0] = np.linspace(-1, 1, 60)
    few = ScoreTraining(near, np.clip(3 + near[:, 0].astype(float), 1, 5), np.ones(60, np.bool_), STARS)
    fitted = replace(train_scores(few, DEFAULT), spread=0.1)
    drawn = weight_samples(few, fitted, 40, seed=0)
    again = weight_samples(few, fitted, 40, seed=0)
    assert all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(drawn, again, strict=True))
    seen, unseen = np.eye(16, dtype=np.float32)[:2]
    spread_of = [np.std([coef @ point + intercept for coef, intercept in drawn]) for point in (seen, unseen)]
    assert spread_of[1] > 2 * spread_of[0]


def test_a_model_comes_back_from_its_file_as_it_was(model: ScoreModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, ScoreModel)
    np.testing.assert_array_equal(loaded.predict(POINTS), model.predict(POINTS))
    for name in ("spec", "allowed", "intercept", "penalty", "spread", "half_width", "description"):
        assert getattr(loaded, name) == getattr(model, name), name


def test_what_does_not_fit_together_is_told() -> None:
    with pytest.raises(InvalidTrainingSetError, match="scores_N has shape"):
        ScoreTraining(POINTS[:3], np.ones(2), np.ones(3, np.bool_), STARS)
    with pytest.raises(InvalidTrainingSetError, match="must lie from 1 to 5"):
        ScoreTraining(POINTS[:1], np.array([5.5]), np.ones(1, np.bool_), STARS)


def test_scores_of_a_few_levels_unequally_far_apart_are_foreseen_as_ordered_classes(tmp_path: Path) -> None:
    latent = 3 * POINTS[:, 0] + 0.2 * RNG.logistic(size=900)
    stars = (1 + np.searchsorted([-0.8, 1.2, 1.4, 1.6], latent)).astype(np.float64)
    found = train_scores(ScoreTraining(POINTS[:300], stars[:300], np.full(300, True), STARS), DEFAULT)
    assert found.ordinal is not None
    ordinal, linear = (
        evaluate_scores(m, POINTS[300:], stars[300:]).measures for m in (found, replace(found, ordinal=None))
    )
    assert ordinal["root_mean_squared_error"] < linear["root_mean_squared_error"]
    assert ordinal["root_mean_squared_error"] == pytest.approx(4 * found.spread, rel=0.2)
    assert 0.9 < ordinal["interval_coverage"] < 0.99
    save_model(found, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, ScoreModel)
    np.testing.assert_array_equal(loaded.predict(POINTS), found.predict(POINTS))
    anything = ScoreTraining(POINTS[:300], stars[:300], np.full(300, True), ScoreRange(1, 5))
    assert train_scores(anything, DEFAULT).ordinal is None

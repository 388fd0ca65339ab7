"""The preference learner: what it predicts of two texts, how surely, and what strategies see of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize
from sklearn.linear_model import LogisticRegression

from nextlabel.server.assessment.ranking.davidson import FIRST, SECOND, TIE, curvature, log_probabilities
from nextlabel.server.learners.persistence import load_model, save_model
from nextlabel.server.learners.portable.heads import head_file
from nextlabel.server.learners.preferences.evaluation import evaluate_preferences
from nextlabel.server.learners.preferences.fitting import fit
from nextlabel.server.learners.preferences.learner import PENALTIES, reward_samples, train_preferences
from nextlabel.server.learners.preferences.model import PreferenceModel
from nextlabel.server.learners.preferences.training import PreferenceTraining
from nextlabel.server.learners.scale import spread_of
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import InvalidTrainingSetError
from nextlabel.server.values.errors import FailedPrecondition

DEFAULT = parse_learner_spec("default", {})
RNG = np.random.default_rng(5)
TEXTS = RNG.normal(size=(1_400, 2, 12))
TEXTS /= np.linalg.norm(TEXTS, axis=2, keepdims=True)
PAIRS = (TEXTS * 0.5**0.5).reshape(1_400, 24).astype(np.float32)
REWARD = 9 * RNG.normal(size=12) / 12**0.5
ADVANTAGE = (TEXTS[:, 0] - TEXTS[:, 1]) @ REWARD
CUMULATED = np.exp(log_probabilities(ADVANTAGE, 0.0)).cumsum(axis=1)
ANSWERS = (RNG.random((1_400, 1)) > CUMULATED).sum(axis=1)


def training(n: int, trusted: bool = True) -> PreferenceTraining:
    return PreferenceTraining(PAIRS[:n], ANSWERS[:n], np.full(n, trusted))


def swapped(pairs: np.ndarray) -> np.ndarray:
    return np.concatenate([pairs[:, 12:], pairs[:, :12]], axis=1)


@pytest.fixture(scope="module")
def model() -> PreferenceModel:
    return train_preferences(training(400), DEFAULT)


def test_who_swaps_the_texts_mirrors_the_probabilities(model: PreferenceModel) -> None:
    given, mirrored = model.predict_proba(PAIRS), model.predict_proba(swapped(PAIRS))
    np.testing.assert_allclose(given, mirrored[:, ::-1], atol=1e-6)
    mirror = PreferenceTraining(swapped(PAIRS[:400]), SECOND - ANSWERS[:400], np.ones(400, np.bool_))
    again = train_preferences(mirror, DEFAULT)
    assert again.penalty == model.penalty
    np.testing.assert_allclose(again.coef_D, model.coef_D, atol=2e-3)


def test_it_finds_the_better_text_and_is_as_sure_as_it_is_right(model: PreferenceModel) -> None:
    found = evaluate_preferences(model, PAIRS[400:], ANSWERS[400:])
    assert found.measures["decided_accuracy"] > 0.87
    assert found.measures["calibration_error"] < 0.06
    true = np.exp(log_probabilities(ADVANTAGE[400:], 0.0))
    best = -np.log(true[np.arange(1_000), ANSWERS[400:]]).mean()
    assert found.measures["log_loss"] < best + 0.05
    assert found.measures["tie_share"] == np.mean(ANSWERS[400:] == TIE)
    assert found.right == round(1_000 * found.accuracy)
    assert model.predict_proba(PAIRS[400:])[:, TIE].mean() == pytest.approx(found.measures["tie_share"], abs=0.05)


def test_without_ties_it_is_logistic_regression_on_differences_without_an_intercept() -> None:
    decided = training(300)
    differences = decided.differences[decided.answers_N != TIE]
    answers = decided.answers_N[decided.answers_N != TIE]
    fitted = fit(differences, answers, np.ones(len(answers)), 0.5)
    # Known of ties is one pseudo-answer that no coefficient hears of; ν is small, so that a tie takes next to nothing.
    peer = LogisticRegression(C=2, fit_intercept=False, tol=1e-8).fit(differences, answers == FIRST)
    assert np.exp(fitted.log_tie) < 0.02
    np.testing.assert_allclose(fitted.coef_D, peer.coef_[0], rtol=0.05, atol=0.05)


def test_the_fit_is_where_the_written_out_likelihood_has_its_top() -> None:
    some = training(60)
    weights = np.where(np.arange(60) % 2, 1.0, 0.3)

    def loss(parameters: np.ndarray) -> float:
        total = 0.25 * float(parameters[:-1] @ parameters[:-1])
        for difference, answer, weight in zip(some.differences, some.answers_N, weights, strict=True):
            tops = np.exp([difference @ parameters[:-1] / 2, parameters[-1], -difference @ parameters[:-1] / 2])
            total -= weight * float(np.log(tops[answer] / tops.sum()))
        equal = np.array([1, np.exp(parameters[-1]), 1])
        return total - 0.5 * float(np.log(equal / equal.sum()).sum())

    fitted = fit(some.differences, some.answers_N, weights, 0.5)
    found = minimize(loss, np.zeros(13)).x
    np.testing.assert_allclose(np.append(fitted.coef_D, fitted.log_tie), found, atol=1e-3)


def test_what_an_answer_tells_is_the_second_derivative() -> None:
    def slope(advantage: np.ndarray) -> float:
        return -float(log_probabilities(advantage, 0.3)[0, FIRST])

    def gradient(advantage: np.ndarray) -> np.ndarray:
        probabilities = np.exp(log_probabilities(advantage, 0.3))[0]
        return np.array([(probabilities[FIRST] - probabilities[SECOND] - 1) / 2])

    at = np.array([0.7])
    assert check_grad(slope, gradient, at) < 1e-5
    step = 1e-5
    numeric = (gradient(at + step) - gradient(at - step)) / (2 * step)
    assert curvature(at, 0.3) == pytest.approx(numeric, rel=1e-4)


@pytest.mark.parametrize("answers", [[FIRST], [TIE], [FIRST] * 12, [TIE] * 12, [SECOND, TIE, FIRST] * 4])
def test_any_answers_make_a_model_that_is_sure_of_nothing_it_cannot_know(answers: list[int]) -> None:
    n = len(answers)
    few = train_preferences(PreferenceTraining(PAIRS[:n], np.array(answers), np.ones(n, np.bool_)), DEFAULT)
    probabilities = few.predict_proba(PAIRS)
    assert np.isfinite(probabilities).all()
    assert probabilities.max() < 0.999
    same = np.concatenate([PAIRS[:1, :12], PAIRS[:1, :12]], axis=1)
    first, tie, second = few.predict_proba(same)[0]
    assert first == pytest.approx(second)
    assert 0 < tie < 1
    strength = few.penalty / spread_of(PAIRS[:n].reshape(2 * n, -1)) ** 2
    assert any(strength == pytest.approx(one, rel=1e-4) for one in (*PENALTIES, 0.3))
    evaluate_preferences(few, PAIRS[:n], np.array(answers))


def test_answers_of_an_llm_count_less_than_those_of_people() -> None:
    twice = np.concatenate([PAIRS[:200]] * 2)
    turned = np.concatenate([ANSWERS[:200], SECOND - ANSWERS[:200]])
    both = train_preferences(PreferenceTraining(twice, turned, np.arange(400) < 200), DEFAULT)
    assert np.corrcoef(both.coef_D, REWARD)[0, 1] > 0.8


def test_drawn_models_differ_most_where_there_are_no_answers() -> None:
    near = np.zeros((80, 24), np.float32)
    near[:, 0] = np.linspace(-1, 1, 80)
    seen = PreferenceTraining(near, np.where(near[:, 0] > 0, FIRST, SECOND), np.ones(80, np.bool_))
    fitted = replace(train_preferences(seen, DEFAULT), coef_D=np.zeros(12, np.float32), penalty=0.1)
    drawn = np.array(reward_samples(seen, fitted, 60, seed=0))
    np.testing.assert_array_equal(drawn, reward_samples(seen, fitted, 60, seed=0))
    assert drawn[:, 1].std() > 3 * drawn[:, 0].std()


def test_a_model_comes_back_from_its_file_as_it_was(model: PreferenceModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, PreferenceModel)
    np.testing.assert_array_equal(loaded.predict_proba(PAIRS), model.predict_proba(PAIRS))
    for name in ("spec", "log_tie", "penalty", "description"):
        assert getattr(loaded, name) == getattr(model, name), name


def test_what_cannot_be_is_told(model: PreferenceModel) -> None:
    with pytest.raises(InvalidTrainingSetError, match="answers_N has shape"):
        PreferenceTraining(PAIRS[:3], np.zeros(2, np.int64), np.ones(3, np.bool_))
    with pytest.raises(InvalidTrainingSetError, match="an even number"):
        PreferenceTraining(PAIRS[:1, :5], np.zeros(1, np.int64), np.ones(1, np.bool_))
    with pytest.raises(InvalidTrainingSetError, match="must lie from 0 to 2"):
        PreferenceTraining(PAIRS[:1], np.array([3]), np.ones(1, np.bool_))
    with pytest.raises(FailedPrecondition, match="reads two texts at once"):
        head_file(model, 24)

"""Rankings by a Gaussian process over embeddings, with annotators that lapse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import spearmanr

from nextlabel.server.assessment.ranking import gaussian_process
from nextlabel.server.assessment.ranking.comparisons import Comparisons
from nextlabel.server.assessment.ranking.davidson import log_probabilities
from nextlabel.server.assessment.ranking.rewards import RankingModel, rank


def answered(embeddings: np.ndarray, answers: int, lapses: np.ndarray, seed: int = 0) -> tuple[Comparisons, np.ndarray]:
    """Answers about texts whose rewards follow from embeddings, of annotators that guess in some share of the cases."""
    rng = np.random.default_rng(seed)
    reward = 4 * embeddings @ np.linspace(1, 0, embeddings.shape[1])
    texts = len(reward)
    first = rng.integers(0, texts, answers)
    second = (first + rng.integers(1, texts, answers)) % texts
    who = rng.integers(0, len(lapses), answers)
    likely = np.exp(log_probabilities(reward[first] - reward[second], -1.0)).cumsum(axis=1)
    answer = (rng.random((answers, 1)) > likely).sum(axis=1).clip(0, 2)
    answer = np.where(rng.random(answers) < lapses[who], rng.integers(0, 3, answers), answer)
    return Comparisons(first, second, answer, who, texts, len(lapses)), reward


def kernel(embeddings: np.ndarray) -> np.ndarray:
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    off = np.eye(len(unit)) - 1 / len(unit)
    halves = (off @ k @ off for k in (unit @ unit.T, np.exp(2 * (unit @ unit.T - 1))))
    return np.asarray(sum(k / np.trace(k) * len(unit) / 2 for k in halves))


def test_few_answers_have_the_top_of_the_posterior_and_its_width_written_out() -> None:
    embeddings = np.random.default_rng(1).standard_normal((5, 3))
    given, _ = answered(embeddings, 14, np.array([0.1, 0.5]))
    covariance = kernel(embeddings) + 0.25**2 * np.eye(5)
    precision = np.linalg.inv(covariance)

    def loss(p: np.ndarray) -> float:
        reward, log_odds, position, log_tie = p[:5], p[5:7], p[7:9], p[9]
        total = reward @ precision @ reward / 2 + (log_odds - 1.4) @ (log_odds - 1.4) / 2 + 2 * position @ position
        for a, b, answer, who in zip(given.first_M, given.second_M, given.answer_M, given.annotator_M, strict=True):
            advantage, skill = reward[a] - reward[b] + position[who], 1 / (1 + np.exp(-log_odds[who]))
            odds = np.exp([advantage / 2, log_tie, -advantage / 2])
            total -= np.log((1 - skill) / 3 + skill * odds[answer] / odds.sum())
        equal = np.array([1, np.exp(log_tie), 1])
        return float(total - 0.5 * np.log(equal / equal.sum()).sum())

    best = minimize(loss, np.array([0.0] * 5 + [1.4] * 2 + [0.0] * 3)).x
    features = gaussian_process.features(embeddings)
    found = gaussian_process.fit(given, features)
    np.testing.assert_allclose(found.reward_T, best[:5], atol=5e-3)
    np.testing.assert_allclose(found.skill_W, 1 / (1 + np.exp(-best[5:7])), atol=5e-3)
    np.testing.assert_allclose(found.position_W, best[7:9], atol=5e-3)

    information = precision.copy()
    for a, b, who in zip(given.first_M, given.second_M, given.annotator_M, strict=True):
        advantage = found.reward_T[a] - found.reward_T[b] + found.position_W[who]

        def likely(at: float, skill: float = found.skill_W[who]) -> np.ndarray:
            return np.asarray((1 - skill) / 3 + skill * np.exp(log_probabilities(np.array([at]), found.log_tie)[0]))

        slope = (likely(advantage + 1e-5) - likely(advantage - 1e-5)) / 2e-5
        apart = np.eye(5)[a] - np.eye(5)[b]
        information += (slope**2 / likely(advantage)).sum() * np.outer(apart, apart)
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    np.testing.assert_allclose(gaussian_process.errors(given, features, found), expected, rtol=1e-4)


def test_features_give_the_kernel_and_come_close_to_it_with_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = np.random.default_rng(2).standard_normal((40, 4))
    exact = kernel(embeddings)
    features = gaussian_process.features(3 * embeddings)
    np.testing.assert_allclose(features @ features.T, exact, atol=1e-5)
    monkeypatch.setattr(gaussian_process, "LANDMARKS", 20)
    features = gaussian_process.features(embeddings)
    assert features.shape == (40, 24)
    assert np.linalg.norm(features @ features.T - exact) < 0.15 * np.linalg.norm(exact)


def test_texts_without_embeddings_are_like_none_and_those_of_equal_ones_say_nothing() -> None:
    embeddings = np.random.default_rng(3).standard_normal((6, 4))
    embeddings[2] = 0
    features = gaussian_process.features(embeddings)
    assert not features[2].any()
    assert features[[0, 1, 3, 4, 5]].any(axis=1).all()
    assert not gaussian_process.features(np.ones((3, 4))).any()
    assert not gaussian_process.features(np.zeros((3, 4))).any()


def test_it_is_taken_where_embeddings_foresee_answers_and_hears_who_guesses() -> None:
    rng = np.random.default_rng(4)
    embeddings = rng.standard_normal((80, 6))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    given, reward = answered(embeddings, 160, np.array([0.0, 1.0]), seed=5)
    found, plain = rank(given, None, embeddings), rank(given)
    assert found.model is RankingModel.GAUSSIAN_PROCESS
    assert spearmanr(found.reward_T, reward).statistic > spearmanr(plain.reward_T, reward).statistic + 0.1
    assert 0 <= found.skill_W[1] < found.skill_W[0] <= 1
    slope, level = np.polyfit(found.reward_T, reward, 1)
    off = np.abs(reward - level - slope * found.reward_T)
    assert np.mean(off < 1.96 * slope * found.error_T) > 0.9


def test_it_is_left_where_embeddings_say_nothing() -> None:
    given, reward = answered(np.random.default_rng(6).standard_normal((8, 3)), 120, np.array([0.0]))
    nothing = np.random.default_rng(7).standard_normal((8, 3))
    found, plain = rank(given, None, nothing), rank(given)
    assert found.model is not RankingModel.GAUSSIAN_PROCESS
    np.testing.assert_array_equal(found.reward_T, plain.reward_T)
    assert spearmanr(found.reward_T, reward).statistic > 0.9

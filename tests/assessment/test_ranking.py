"""How texts rank by comparisons of annotators of unequal skill, with ties and a liking for what comes first."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import spearmanr

from nextlabel.server.assessment.ranking.comparisons import Comparisons
from nextlabel.server.assessment.ranking.davidson import FIRST, SECOND, TIE, log_probabilities
from nextlabel.server.assessment.ranking.rewards import USUAL_SPREAD, RankingModel, rank

SKILLS, POSITIONS = np.array([1.2, 0.8, 0.0]), np.array([0.0, 1.0, 0.0])


def compared(texts: int, answers: int, seed: int = 0) -> tuple[Comparisons, np.ndarray]:
    rng = np.random.default_rng(seed)
    reward = 1.5 * rng.standard_normal(texts)
    first = rng.integers(0, texts, answers)
    second = (first + rng.integers(1, texts, answers)) % texts
    annotator = rng.integers(0, 3, answers)
    advantage = SKILLS[annotator] * (reward[first] - reward[second]) + POSITIONS[annotator]
    cumulated = np.exp(log_probabilities(advantage, -0.5)).cumsum(axis=1)
    answer = (rng.random((answers, 1)) > cumulated).sum(axis=1)
    return Comparisons(first, second, answer, annotator, texts, 3), reward


def test_it_finds_the_order_the_skills_and_who_likes_what_comes_first() -> None:
    given, true = compared(40, 3_000)
    found = rank(given)
    assert spearmanr(found.reward_T, true).statistic > 0.95
    assert found.skill_W[0] > found.skill_W[1] > 0.4
    assert abs(found.skill_W[2]) < 0.25
    off = (found.position_W - POSITIONS) / found.position_error_W
    assert (np.abs(off) < 3).all()
    assert np.log(found.tie_odds) == pytest.approx(-0.5, abs=0.25)
    assert found.model is RankingModel.DAVIDSON
    scale = np.polyfit(found.reward_T, true, 1)[0]
    centred = scale * (found.reward_T - found.reward_T.mean()) - (true - true.mean())
    assert np.mean(np.abs(centred) < 1.96 * scale * found.error_T) > 0.85


def test_who_answers_the_wrong_way_round_is_heard_the_right_way_round() -> None:
    given, true = compared(20, 1_500)
    turned = np.where(given.annotator_M == 1, SECOND - given.answer_M, given.answer_M)
    found = rank(Comparisons(given.first_M, given.second_M, turned, given.annotator_M, 20, 3))
    assert found.skill_W[1] < 0 < found.skill_W[0]
    assert spearmanr(found.reward_T, true).statistic > 0.9


def test_few_answers_have_the_top_of_the_likelihood_written_out() -> None:
    given, _ = compared(4, 15, seed=3)

    def loss(parameters: np.ndarray) -> float:
        reward, skill, position, log_tie = parameters[:4], parameters[4:7], parameters[7:10], parameters[10]
        prior = (
            (reward / USUAL_SPREAD) @ (reward / USUAL_SPREAD) + 4 * (skill - 1) @ (skill - 1) + 4 * position @ position
        )
        total = float(prior) / 2
        for a, b, answer, who in zip(given.first_M, given.second_M, given.answer_M, given.annotator_M, strict=True):
            advantage = skill[who] * (reward[a] - reward[b]) + position[who]
            odds = np.exp([advantage / 2, log_tie, -advantage / 2])
            total -= float(np.log(odds[answer] / odds.sum()))
        equal = np.array([1, np.exp(log_tie), 1])
        return total - 0.5 * float(np.log(equal / equal.sum()).sum())

    start = np.array([0.0] * 4 + [1.0] * 3 + [0.0] * 4)
    best = minimize(loss, start).x
    found = rank(given)
    np.testing.assert_allclose(found.reward_T, best[:4], atol=5e-3)
    np.testing.assert_allclose(found.skill_W, best[4:7], atol=5e-3)
    np.testing.assert_allclose(found.position_W, best[7:10], atol=5e-3)


def test_a_text_that_was_never_compared_stays_where_it_is_expected() -> None:
    one = Comparisons(np.array([0]), np.array([1]), np.array([FIRST]), np.array([0]), 3, 1)
    plain, expected = rank(one), rank(one, np.array([0.0, 0.0, 2.0]))
    assert plain.reward_T[0] > plain.reward_T[2] == 0 > plain.reward_T[1]
    assert expected.reward_T[2] == 2
    assert plain.error_T[2] == pytest.approx(USUAL_SPREAD)
    assert plain.error_T[0] < USUAL_SPREAD
    tied = rank(Comparisons(np.array([0]), np.array([1]), np.array([TIE]), np.array([0]), 2, 1))
    assert tied.reward_T == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("model", RankingModel)
@pytest.mark.parametrize("log_tie", [-2.0, 0.3])
def test_models_tell_probabilities_and_how_they_change(model: RankingModel, log_tie: float) -> None:
    advantage = np.linspace(-6, 6, 25)
    log_n3 = model.log_probabilities(advantage, log_tie)
    np.testing.assert_allclose(np.exp(log_n3).sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(log_n3, log_n3[::-1, ::-1], rtol=1e-9)
    by_advantage, by_tie = model.slopes(advantage, log_tie)
    step = 1e-5
    for found, up, down in (
        (by_advantage, (advantage + step, log_tie), (advantage - step, log_tie)),
        (by_tie, (advantage, log_tie + step), (advantage, log_tie - step)),
    ):
        expected = (model.log_probabilities(*up) - model.log_probabilities(*down)) / (2 * step)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_texts_that_look_as_good_as_normal_noise_makes_them_are_told_by_thurstone() -> None:
    rng = np.random.default_rng(4)
    reward, answers = 3 * rng.standard_normal(12), 6_000
    first = rng.integers(0, 12, answers)
    second = (first + rng.integers(1, 12, answers)) % 12
    seen = reward[first] - reward[second] + rng.standard_normal(answers)
    answer = np.where(np.abs(seen) < 0.5, TIE, np.where(seen > 0, FIRST, SECOND))
    given = Comparisons(first, second, answer, np.zeros(answers, np.int64), 12, 1)
    found = rank(given)
    assert found.model is RankingModel.THURSTONE
    assert spearmanr(found.reward_T, reward).statistic > 0.98
    assert np.isfinite(found.error_T).all()

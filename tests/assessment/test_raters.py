"""Annotators' biases and scales: against plain conditioning of normal distributions, and against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from nextlabel.server.assessment.consensus.raters import Scores, _Fit, fit_raters


def drawn(seed: int, items: int = 200, each: int = 3, gold: int = 0) -> tuple[Scores, np.ndarray]:
    """Scores from 1 to 5 by five annotators: one two points too high, one of half the scale, one who guesses nearly."""
    rng = np.random.default_rng(seed)
    bias, scale, spread = np.array([1.2, 0, 0, -0.6, 0]), np.array([1, 1, 0.5, 1, 1]), np.array([0.3, 0.3, 0.2, 0.3, 1])
    truth = rng.normal(3, 0.8, items)
    annotator = np.concatenate([rng.permutation(5)[:each] for _ in range(items)])
    item = np.repeat(np.arange(items), each)
    score = (
        3 + bias[annotator] + scale[annotator] * (truth[item] - 3) + spread[annotator] * rng.standard_normal(len(item))
    )
    known = np.where(np.arange(items) < gold, truth, np.nan)
    return Scores(item, annotator, score, known, ["high", "fair", "shy", "low", "wild"]), truth


def consensus(table: Scores, width: float = 4.0) -> np.ndarray:
    model = fit_raters(table, width)
    assert model is not None
    found = [model.worth(table.annotators[w], s) for w, s in zip(table.annotator_A, table.score_A, strict=True)]
    value, weight = np.array(found).T
    n = len(table.known_N)
    return np.asarray(np.bincount(table.item_A, value * weight, n) / np.bincount(table.item_A, weight, n))


def test_worths_and_likelihood_are_those_of_the_joint_normal_distribution() -> None:
    rng = np.random.default_rng(1)
    item, annotator = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 0, 2, 1])
    z, known = rng.standard_normal(6), np.array([np.nan, np.nan, 0.4])
    table = Scores(item, annotator, z, known, ["a", "b", "c"])
    fit = _Fit(np.array([0.3, -0.2, 0.1]), np.array([1.2, 0.7, 1.0]), np.array([0.2, 0.3, 0.5]), 0.1, 0.6)
    means, variances = fit.worths(table, z, known)
    total = 0.0
    for n in range(3):
        own = item == n
        w = annotator[own]
        at, spread = (fit.mean, fit.variance) if np.isnan(known[n]) else (known[n], 0.0)
        centre, scale = fit.bias_W[w] + fit.scale_W[w] * at, fit.scale_W[w]
        covariance = spread * np.outer(scale, scale) + np.diag(fit.variance_W[w])
        total += multivariate_normal(centre, covariance).logpdf(z[own])
        gain = spread * np.linalg.solve(covariance, scale)
        assert means[n] == pytest.approx(at + gain @ (z[own] - centre))
        assert variances[n] == pytest.approx(spread - spread * (gain @ scale))
    assert fit.log_likelihood(table, z, known) == pytest.approx(total)


@pytest.mark.parametrize("seed", range(3))
def test_the_truth_is_nearer_than_by_the_mean(seed: int) -> None:
    table, truth = drawn(seed, gold=15)
    plain = np.bincount(table.item_A, table.score_A) / np.bincount(table.item_A)
    error, of_mean = (np.sqrt(((found - truth)[15:] ** 2).mean()) for found in (consensus(table), plain))
    assert error < 0.7 * of_mean


def test_gold_tells_a_bias_of_all_from_none() -> None:
    table, truth = drawn(0, gold=40)
    shifted = Scores(table.item_A, table.annotator_A, table.score_A + 0.5, table.known_N, table.annotators)
    assert abs((consensus(shifted) - truth).mean()) < 0.1
    model = fit_raters(shifted, 4.0)
    assert model is not None
    assert model.raters["high"].bias == pytest.approx(1.7, abs=0.15)
    assert model.raters["shy"].scale == pytest.approx(0.5, abs=0.1)
    assert model.raters["wild"].spread > 2 * model.raters["fair"].spread
    # Whoever shares no item with others is taken as usual.
    assert model.worth("new", 2.0) == pytest.approx((2.0, model.usual_spread**-2))


def test_annotators_who_do_not_differ_are_left_alone() -> None:
    rng = np.random.default_rng(3)
    item, annotator = np.repeat(np.arange(100), 3), np.tile(np.arange(3), 100)
    score = np.repeat(rng.normal(3, 1, 100), 3) + 0.4 * rng.standard_normal(300)
    assert fit_raters(Scores(item, annotator, score, np.full(100, np.nan), ["a", "b", "c"]), 4.0) is None


@pytest.mark.parametrize("scores", [[3.0, 3.0], [1.0, 5.0], [2.0] * 40])
def test_few_or_equal_answers_say_nothing(scores: list[float]) -> None:
    n = len(scores) // 2
    table = Scores(np.repeat(np.arange(n), 2), np.tile([0, 1], n), np.array(scores), np.full(n, np.nan), ["a", "b"])
    assert fit_raters(table, 4.0) is None
    alone = Scores(np.arange(2), np.arange(2), np.array([1.0, 5.0]), np.full(2, np.nan), ["a", "b"])
    assert fit_raters(alone, 4.0) is None

"""The cumulative logit of scores of a few levels, against a general optimiser and against ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from nextlabel.server.learners.scores.ordinal import fit_ordinal


def drawn(n: int, seed: int = 0, dimension: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Points, and four levels of which the first two are far more common than the others."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((n, dimension))
    latent = 2 * points[:, 0] - points[:, 1] + rng.logistic(size=n)
    return points, np.searchsorted([0.5, 3.0, 4.0], latent)


def test_it_maximises_the_penalised_likelihood() -> None:
    points, levels = drawn(80)
    weights, penalty = np.linspace(0.5, 1, 80), 0.7
    head = fit_ordinal(points, levels, 3, weights, penalty)

    def loss(parameters: np.ndarray) -> float:
        coef, cuts = parameters[:4], np.sort(parameters[4:])
        above = np.hstack([np.ones((81, 1)), expit((np.vstack([points, np.zeros(4)]) @ coef)[:, None] - cuts)])
        shares = np.maximum(above - np.hstack([above[:, 1:], np.zeros((81, 1))]), 1e-12)
        of_items = (weights * np.log(shares[np.arange(80), levels])).sum()
        return float(-of_items - 0.5 * np.log(shares[80]).sum() + penalty / 2 * coef @ coef)

    own = loss(np.concatenate([head.coef_D, head.cuts_K]))
    best = min(
        minimize(loss, start, method="BFGS").fun
        for start in (np.concatenate([np.zeros(4), [0, 1, 2]]), np.concatenate([head.coef_D, head.cuts_K]))
    )
    assert own == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("levels", [[0], [3], [1, 1, 1], [0, 3], [0, 1, 2, 3]])
def test_levels_that_nobody_gave_have_a_cut_all_the_same(levels: list[int]) -> None:
    points = np.random.default_rng(1).standard_normal((len(levels), 3))
    head = fit_ordinal(points, np.array(levels), 3, np.ones(len(levels)), 1.0)
    assert np.isfinite(head.cuts_K).all()
    assert (np.diff(head.cuts_K) > 0).all()
    shares = head.shares(points)
    assert ((shares >= 0) & (shares <= 1)).all()


def test_expected_levels_are_those_of_the_probabilities() -> None:
    points, levels = drawn(200)
    head = fit_ordinal(points, levels, 3, np.ones(200), 1.0)
    above = np.hstack([np.ones((200, 1)), head.above(points), np.zeros((200, 1))])
    expected = (above[:, :-1] - above[:, 1:]) @ np.arange(4) / 3
    np.testing.assert_allclose(head.shares(points), expected, atol=1e-5)

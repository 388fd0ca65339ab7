"""How much less draws tell that were judged with each other's help."""

import numpy as np
import pytest
from scipy.special import ndtr

from nextlabel.server.assessment.estimates.clusters import LEARNED_TOGETHER, design_effect, widened
from nextlabel.server.assessment.intervals import Estimate


def test_draws_that_help_each_other_tell_less_and_the_effect_never_tells_more_than_is_true() -> None:
    """An item is right where its class was drawn beside it: sets that drew the same class again flatter themselves."""
    rng = np.random.default_rng(0)
    every = np.ones(40, np.bool_)
    errors, told, alone = [], [], []
    for _ in range(1_000):
        class_n = rng.integers(0, 40, 40)
        drawn_c = np.bincount(class_n, minlength=40)
        right_n = drawn_c[class_n] > 1
        spread = float(right_n.mean() * (1 - right_n.mean())) / 40
        errors.append(right_n.mean() - (drawn_c > 0).mean())
        told.append(design_effect(right_n, class_n, every, every) * spread)
        alone.append(spread)
    assert 1.5 * np.mean(alone) < np.mean(told) < np.var(errors)


def test_draws_of_classes_with_many_labels_count_one_by_one() -> None:
    right_n = np.array([True, True, False, False])
    class_n = np.array([0, 0, 1, 1])
    every, half, none = np.ones(4, np.bool_), np.array([True, True, False, False]), np.zeros(4, np.bool_)
    assert design_effect(right_n, class_n, every, every) == 2.0
    assert design_effect(right_n, class_n, half, half) == 1.5
    assert design_effect(right_n, class_n, none, none) == 1.0
    assert design_effect(right_n[:2], class_n[:2], every[:2], every[:2]) == 1.0
    assert design_effect(right_n[:0], class_n[:0], every[:0], every[:0]) == 1.0


def test_draws_by_which_learners_were_trained_tell_a_little_less_than_others() -> None:
    """Two classes, the nearer mean wins: what is wrong about one draw without it depends on the others."""
    rng = np.random.default_rng(1)
    none, every = np.zeros(20, np.bool_), np.ones(20, np.bool_)
    errors, told, alone = [], [], []
    for _ in range(4_000):
        class_n = np.arange(20) % 2
        at_nD = rng.normal(size=(20, 5))
        at_nD[:, 0] += np.where(class_n == 1, 0.5, -0.5)
        signed_nD = at_nD * (2 * class_n - 1)[:, None]
        whole_D = signed_nD.sum(axis=0)
        right_n = (signed_nD * (whole_D - signed_nD)).sum(axis=1) > 0
        truth = ndtr(0.5 * whole_D[0] / np.linalg.norm(whole_D))
        errors.append(right_n.mean() - truth)
        spread = float(right_n.mean() * (1 - right_n.mean())) / 20
        told.append(design_effect(right_n, class_n, every, none) * spread)
        alone.append(spread)
    assert np.mean(alone) < np.mean(told) == pytest.approx(LEARNED_TOGETHER * np.mean(alone))
    assert np.mean(told) < np.var(errors)


def test_an_interval_stays_within_shares_and_around_its_value() -> None:
    wide = widened(Estimate(0.5, 0.4, 0.55, 9), 4.0)
    assert (wide.value, wide.low, wide.high, wide.items) == pytest.approx((0.5, 0.3, 0.6, 9))
    assert widened(Estimate(0.9, 0.2, 0.99, 9), 4.0) == Estimate(0.9, 0.0, 1.0, 9)
    over = widened(Estimate(1.01, 0.8, 1.01, 9), 1.0)
    assert (over.value, over.low, over.high) == pytest.approx((1.01, 0.8, 1.01))

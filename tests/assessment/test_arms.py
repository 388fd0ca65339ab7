"""Chosen labels beside random ones."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.server.assessment.estimates.arms import Bool, LabelArm, Places, Savings, arm_of, savings

ITEMS = 400


def arm(labels: list[int], accuracies: list[float], luck: float = 0.0, seed: int = 0) -> LabelArm:
    """Learners that are right on just so many items, more of the same ones with more labels."""
    order = np.random.default_rng(seed).permutation(ITEMS)
    right_Kn = np.stack([order < round(accuracy * ITEMS) for accuracy in accuracies])
    return LabelArm(labels, right_Kn, luck)


def compared(chosen: LabelArm, at_random: float, luck: float = 0.0) -> Savings:
    return savings(chosen, arm([100], [at_random], luck, seed=1))


def test_the_count_that_does_as_well_is_read_between_learners() -> None:
    found = compared(arm([25, 50, 100, 200], [0.5, 0.6, 0.8, 0.9]), 0.7)
    assert found.saved.value == pytest.approx(100 - np.sqrt(50 * 100))
    assert found.gain.value == pytest.approx(0.1)
    assert found.gain.low > 0
    assert found.reached


def test_what_chosen_labels_lose_is_said_too() -> None:
    found = compared(arm([50, 100, 200], [0.5, 0.6, 0.7]), 0.65)
    assert found.gain.value == pytest.approx(-0.05)
    assert found.saved.value == pytest.approx(100 - np.sqrt(100 * 200))
    never = compared(arm([50, 100, 200], [0.5, 0.6, 0.7]), 0.9)
    assert (never.reached, never.saved.value) == (False, -100)


def test_a_learner_that_was_lucky_once_does_not_count_as_the_first_to_reach_it() -> None:
    found = compared(arm([25, 50, 100, 200], [0.5, 0.72, 0.62, 0.8]), 0.7)
    assert 100 < 100 - found.saved.value < 200


def test_luck_widens_the_intervals() -> None:
    chosen = [0.5, 0.6, 0.7, 0.8]
    sure = compared(arm([25, 50, 100, 200], chosen), 0.7)
    unsure = compared(arm([25, 50, 100, 200], chosen, luck=0.05), 0.7, luck=0.05)
    for one in (sure, unsure):
        assert one.gain.low < one.gain.value < one.gain.high
        assert one.saved.low <= one.saved.value <= one.saved.high
    assert unsure.gain.high - unsure.gain.low > sure.gain.high - sure.gain.low
    assert unsure.saved.high - unsure.saved.low > sure.saved.high - sure.saved.low


def test_an_arm_has_a_learner_for_each_count_and_the_luck_of_its_halves() -> None:
    judged: list[list[int]] = []

    def judge(places: Places) -> Bool:
        judged.append(sorted(places.tolist()))
        return np.arange(100) < 10 * len(set(places.tolist()) & {0, 1, 2})

    found = arm_of(judge, np.arange(10), 8, (0.25, 1.0, 4.0))
    assert list(found.labels) == [2, 8, 10]
    assert found.right_Kn.mean(axis=1) == pytest.approx([0.2, 0.3, 0.3])
    halves = [places for places in judged if len(places) == 4]
    assert found.luck == pytest.approx(np.std([len({0, 1, 2} & set(half)) / 10 for half in halves], ddof=1))

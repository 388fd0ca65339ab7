import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.simulation.curves import labels_saved, labels_to_reach, normalised_aulc

LABELS = np.array([20, 40, 60, 100])


def test_area_is_the_mean_height_between_first_and_last_point() -> None:
    curves = np.array([[0.5, 0.5, 0.5, 0.5], [0.0, 0.2, 0.4, 0.8]])
    assert normalised_aulc(LABELS, curves) == pytest.approx([0.5, 0.4])


def test_area_of_a_single_point_is_its_height() -> None:
    assert normalised_aulc(np.array([20]), np.array([[0.3], [0.4]])) == pytest.approx([0.3, 0.4])


def test_labels_to_reach_interpolates_and_knows_never() -> None:
    curves = np.array([[0.5, 0.6, 0.8, 0.9]] * 5)
    targets = np.array([0.4, 0.5, 0.7, 0.9, 0.91])
    assert labels_to_reach(LABELS, curves, targets).tolist() == pytest.approx([20, 20, 50, 100, np.inf])


def test_labels_to_reach_counts_the_first_time_when_a_curve_falls_again() -> None:
    assert labels_to_reach(LABELS, np.array([[0.5, 0.8, 0.6, 0.9]]), np.array([0.8])).tolist() == [40]


def test_labels_saved_is_what_random_needs_more() -> None:
    better, random = np.array([[0.5, 0.8, 0.9, 0.95]]), np.array([[0.5, 0.6, 0.7, 0.8]])
    assert labels_saved(LABELS, better, random).tolist() == pytest.approx([60])


curves = st.lists(st.floats(0, 1), min_size=4, max_size=4).map(lambda heights: np.array([heights]))


@given(curves, curves)
def test_labels_saved_is_finite_and_turns_its_sign_with_the_roles(one: np.ndarray, other: np.ndarray) -> None:
    saved = labels_saved(LABELS, one, other)
    assert np.isfinite(saved).all()
    assert labels_saved(LABELS, other, one) == pytest.approx(-saved)

"""In which order people look at labels of which two say how probably they are wrong."""

import numpy as np
import pytest

from nextlabel.server.assessment.review_gain import ordered_by_both


def test_probabilities_are_dealt_out_in_the_order_of_both() -> None:
    rng = np.random.default_rng(0)
    calibrated_n, second_n = rng.random(50), rng.random(50) ** 8
    found_n = ordered_by_both(calibrated_n, second_n)
    together_n = calibrated_n.argsort().argsort() + second_n.argsort().argsort()
    assert found_n.sum() == pytest.approx(calibrated_n.sum())
    for one in range(50):
        above_n = together_n > together_n[one]
        assert (found_n[above_n] >= found_n[one]).all()
    alike = np.full(50, 0.3)
    assert ordered_by_both(calibrated_n, alike) == pytest.approx(calibrated_n)
    assert ordered_by_both(alike, second_n) == pytest.approx(alike)
    assert len(ordered_by_both(alike[:0], second_n[:0])) == 0

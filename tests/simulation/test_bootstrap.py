import numpy as np
import pytest

from nextlabel.server.simulation.bootstrap import bounds, mean_interval


@pytest.mark.parametrize("seeds", [5, 10, 30])
def test_intervals_of_the_mean_cover_it_as_often_as_they_say(seeds: int) -> None:
    rng = np.random.default_rng(3)
    intervals = [mean_interval(rng.normal(loc=2.0, size=seeds)) for _ in range(400)]
    covered = np.mean([found.low <= 2.0 <= found.high for found in intervals if found.low is not None and found.high])
    assert covered == pytest.approx(0.95, abs=0.04 if seeds > 5 else 0.07)


def test_one_seed_has_no_interval() -> None:
    found = mean_interval(np.array([0.4]))
    assert (found.mean, found.low, found.high) == (0.4, None, None)


def test_equal_values_have_no_width() -> None:
    found = mean_interval(np.full(6, 0.25))
    assert (found.low, found.high) == pytest.approx((0.25, 0.25))


def test_an_infinite_end_stays_infinite() -> None:
    low, high = bounds(np.array([100.0] * 50 + [np.inf] * 50), 10)
    assert (low, high) == (100.0, np.inf)

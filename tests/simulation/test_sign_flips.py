import numpy as np
import pytest

from nextlabel.server.simulation.sign_flips import sign_flip_p


@pytest.mark.parametrize("seeds", [10, 20])
def test_a_twentieth_of_equal_pairs_look_different_however_their_scores_are_spread(seeds: int) -> None:
    rng = np.random.default_rng(5)
    pairs = rng.lognormal(sigma=2, size=(300, 2, seeds))
    shares = [np.mean([sign_flip_p(one - other) <= level for one, other in pairs]) for level in (0.05, 0.5)]
    assert shares[0] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert shares[1] == pytest.approx(0.5, abs=0.1)


def test_differences_that_agree_are_as_improbable_as_their_number_says() -> None:
    assert sign_flip_p(np.full(12, -0.2)) == 2 / 2**12
    assert sign_flip_p(np.zeros(12)) == 1
    assert sign_flip_p(np.arange(1.0, 31)) <= 1e-4

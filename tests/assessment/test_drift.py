"""The bets on new texts: fair when nothing changes, telling when something does."""

import itertools

import numpy as np
import pytest

from nextlabel.server.assessment.drift import FIRST_PAIRS, drift_evidence


def test_texts_of_the_same_kind_seldom_win_a_bet():
    rng = np.random.default_rng(0)
    found = [drift_evidence(*rng.normal(size=(2, 120, 8))) for _ in range(300)]
    # Ville: a wealth of 20 is reached with a probability of 5 % at most.
    assert sum(one.beyond(0.05) for one in found) <= 15
    assert not any(one.beyond(0.0001) for one in found)
    assert np.mean([one.told_apart for one in found]) == pytest.approx(0.5, abs=0.02)


def test_the_wealth_of_all_ways_to_exchange_pairs_is_one_on_the_mean():
    rng = np.random.default_rng(1)
    earlier, new = rng.normal(size=(2, FIRST_PAIRS + 3, 4))
    last = []
    for exchanged in itertools.product([False, True], repeat=3):
        swap = np.array([False] * FIRST_PAIRS + list(exchanged))[:, None]
        found = drift_evidence(np.where(swap, new, earlier), np.where(swap, earlier, new))
        last.append(found.log_wealth)
    # The highest wealth on the way is what is told: without a fair game its mean would grow with every bet.
    assert 1 <= np.mean(np.exp(last)) < 1.5


def test_other_texts_are_told_apart():
    rng = np.random.default_rng(2)
    earlier, new = rng.normal(size=(2, 400, 16))
    new[:, 0] += 2
    found = drift_evidence(earlier, new)
    assert found.beyond(0.0001)
    assert found.told_apart > 0.8
    # A fifth of other texts is enough when there are many.
    some = np.where(rng.random((400, 1)) < 0.2, new + 2, rng.normal(size=(400, 16)))
    assert drift_evidence(earlier, some).beyond(0.001)


def test_further_earlier_texts_are_learned_from_and_never_bet_on():
    rng = np.random.default_rng(3)
    earlier, new = rng.normal(size=(2, 150, 64))
    further = rng.normal(size=(1000, 64))
    same = [rng.normal(size=(360, 16)) for _ in range(200)]
    assert sum(drift_evidence(a[:80], a[80:160], a[160:]).beyond(0.05) for a in same) <= 10
    new[:, :2] += 1
    with_them, without = drift_evidence(earlier, new, further), drift_evidence(earlier, new)
    assert with_them.pairs == without.pairs
    assert with_them.log_wealth > without.log_wealth


def test_copies_are_no_evidence():
    same = np.ones((100, 4))
    found = drift_evidence(same, same)
    assert (found.pairs, found.told_apart, found.log_wealth) == (100 - FIRST_PAIRS, 0.5, 0.0)


@pytest.mark.parametrize(("earlier", "new"), [(100, 99), (FIRST_PAIRS, FIRST_PAIRS), (0, 0)])
def test_too_few_or_unequal_texts_are_refused(earlier, new):
    with pytest.raises(ValueError, match="expected as many"):
        drift_evidence(np.ones((earlier, 4)), np.ones((new, 4)))

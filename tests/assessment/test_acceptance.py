import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.server.assessment.routing.acceptance import Promise, certify, feasibility


def answers(rng, n, skill, offset=1.2):
    scores = rng.random(n)
    chance = 1 / (1 + np.exp(-(offset + skill * (2 * scores - 1))))
    return scores, rng.random(n) < chance, chance


def test_a_promise_is_broken_at_most_as_often_as_it_says():
    rng = np.random.default_rng(0)
    broken = certified = 0
    for _ in range(400):
        # The worst case: what is accepted is a hair less accurate than promised, wherever the threshold stands.
        right = rng.random(300) < 0.899
        found = certify(rng.random(300), right, rng.random(2000), Promise(0.9))
        broken += found is not None
    assert broken <= 32
    for _ in range(40):
        scores, right, _ = answers(rng, 500, 4.0)
        certified += certify(scores, right, rng.random(2000), Promise(0.9)) is not None
    assert certified >= 30


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 300), st.floats(0.5, 0.99))
def test_what_is_certified_is_proven_by_its_own_gold(seed, gold, accuracy):
    rng = np.random.default_rng(seed)
    scores, right, _ = answers(rng, gold, 3.0)
    pool = np.round(rng.random(500), 2)
    found = certify(scores, right, pool, Promise(accuracy))
    if found is not None:
        above = scores >= found.threshold
        assert (found.gold, found.right) == (above.sum(), right[above].sum())
        assert found.gold >= found.promise.fewest_gold
        assert found.right / found.gold > accuracy
        assert found.share == pytest.approx((pool >= found.threshold).mean())
    else:
        assert certify(scores, np.zeros(gold, bool), pool, Promise(accuracy)) is None


def test_too_little_gold_certifies_nothing_and_says_how_much_is_missing():
    promise = Promise(0.95)
    assert promise.fewest_gold == 59
    assert certify(np.ones(58), np.ones(58, bool), np.ones(10), promise) is None
    assert certify(np.ones(120), np.ones(120, bool), np.ones(10), promise) is not None
    found = feasibility(np.ones(20, bool), promise)
    assert found is not None
    assert (found.gold_missing, found.people_at_least) == (39, 0.0)
    assert feasibility([], promise) is None


def test_a_perfect_order_still_leaves_the_wrong_ones_to_people():
    found = feasibility(np.arange(100) >= 30, Promise(0.9))
    assert found is not None
    # Of 100 answers 70 are right: 77.8 can be accepted with 7.8 wrong ones among them.
    assert found.people_at_least == pytest.approx(1 - 0.7 / 0.9)


def test_promises_that_are_none_are_refused():
    for accuracy, error in ((0.0, 0.05), (1.0, 0.05), (0.9, 0.0)):
        with pytest.raises(ValueError, match="strictly between"):
            Promise(accuracy, error)

"""Which source's labels stand, and what all labels are expected to be worth."""

import numpy as np
import pytest

from nextlabel.server.assessment.calibration import Calibrator, GoldCheck
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.routing.acceptance import Promise
from nextlabel.server.assessment.routing.sources import (
    SourceScores,
    calibrator_of,
    chosen,
    expected_accuracy,
    proofs,
    together,
)


def source(rng, name, gold=400, pool=5_000, slope=1.0):
    """Labels that are right as often as their score says, or a power of it."""
    scores_G, scores_N = rng.beta(4, 1, gold), rng.beta(4, 1, pool)
    right_N = rng.random(pool) < scores_N**slope
    return SourceScores(name, scores_G, rng.random(gold) < scores_G**slope, scores_N), right_N


def test_the_proven_source_that_accepts_most_is_chosen_at_its_part_of_the_error():
    rng = np.random.default_rng(0)
    good, _ = source(rng, "good", slope=0.2)
    bad, _ = source(rng, "bad", slope=3.0)
    found = proofs([bad, good], Promise(0.9))
    best = chosen(found)
    assert best is not None
    assert best.name == "good"
    assert best.certificate is not None
    assert best.certificate.promise.error == 0.025
    assert best.certificate.lower_bound > 0.9
    assert best.accepted == (good.pool_N >= best.certificate.threshold).sum()
    assert chosen([one for one in found if one.certificate is None]) is None
    assert proofs([], Promise(0.9)) == ()


def test_the_promise_of_whichever_source_is_chosen_is_broken_in_five_percent_at_most():
    broken, trials = 0, 400
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        sources, rights = zip(*[source(rng, str(n), gold=200, pool=2_000, slope=0.6) for n in range(3)], strict=True)
        best = chosen(proofs(sources, Promise(0.9)))
        if best is not None and best.certificate is not None:
            number = int(best.name)
            accepted = sources[number].pool_N >= best.certificate.threshold
            broken += rights[number][accepted].mean() < 0.9
    assert broken <= 0.05 * trials


def test_expected_accuracy_follows_labels_that_are_surer_than_gold():
    covered, trials = 0, 200
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        gold, _ = source(rng, "learner", gold=150)
        pool = rng.beta(8, 1, 4_000)  # what is left for it is easier than gold is
        right = (rng.random(4_000) < pool).mean()
        calibrator = calibrator_of(gold.gold_G, gold.right_G)
        assert calibrator is not None
        found = expected_accuracy(gold.gold_G, gold.right_G, calibrator.probabilities(pool))
        assert found is not None
        assert found.items == 150
        covered += found.low <= right <= found.high
    assert covered >= 0.92 * trials


def test_with_little_gold_it_is_the_share_that_is_right_and_without_any_nothing():
    found = expected_accuracy([0.5] * 10, [True] * 8 + [False] * 2, [])
    assert found is not None
    assert (found.value, found.items) == (0.8, 10)
    assert expected_accuracy([], [], [0.5]) is None
    assert calibrator_of([0.5] * 10, [True] * 10) is None


def test_groups_are_weighed_by_their_size_and_their_widths_add_up():
    people, learner = Estimate(1.0, 1.0, 1.0, 0), Estimate(0.8, 0.7, 0.9, 50)
    found = together([(100, people), (300, learner)])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.85, 0.775, 0.925))
    assert found.items == 50
    assert together([]) is None


def test_many_probabilities_are_those_of_one_by_one():
    checks = [GoldCheck({"score": n / 50}, n % 3 > 0) for n in range(50)]
    calibrator = Calibrator.fit(checks)
    assert calibrator is not None
    values = [0.0, 0.3, 0.999, 1.0]
    assert calibrator.probabilities(values) == pytest.approx([calibrator.probability({"score": v}) for v in values])

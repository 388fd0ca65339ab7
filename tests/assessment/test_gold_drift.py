"""The bets on gold that is asked again: fair while nothing changes, telling when fewer answers are right."""

import itertools
from math import exp

import numpy as np
import pytest

from nextlabel.server.assessment.gold_drift import RepeatedAnswers, paired_evidence


def asked(rng, items, earlier, *, deviates=0.0, falls=0.0):
    """Answers of an annotator that is right about nine items of ten, and wrong about a share of these from now on."""
    usual = rng.random(items) < 0.9
    before = usual[:, None] ^ (rng.random((items, earlier)) < deviates)
    now = (usual & (rng.random(items) >= falls / 0.9)) ^ (rng.random(items) < deviates)
    return [RepeatedAnswers(tuple(b.tolist()), bool(n)) for b, n in zip(before, now, strict=True)]


def test_no_wealth_is_more_probable_than_its_inverse_while_any_answer_of_an_item_may_be_the_newest():
    # Wrong ones of all answers about an item, the newest included.
    items = [(1, 4), (2, 4), (1, 3), (0, 3), (1, 6), (5, 6), (2, 2)]
    wealth, probability = [], []
    for newest in itertools.product([False, True], repeat=len(items)):
        chances = [(k if wrong else n - k) / n for wrong, (k, n) in zip(newest, items, strict=True)]
        if all(chances):
            answers = [
                RepeatedAnswers((False,) * (k - wrong) + (True,) * (n - 1 - k + wrong), not wrong)
                for wrong, (k, n) in zip(newest, items, strict=True)
            ]
            wealth.append(exp(paired_evidence(answers).log_wealth))
            probability.append(np.prod(chances))
    assert sum(probability) == pytest.approx(1)
    for reached in wealth:
        chance = sum(p for w, p in zip(wealth, probability, strict=True) if w >= reached)
        assert chance <= 1 / reached + 1e-9
    assert max(wealth) > 20


def test_nothing_changes_and_hardly_ever_an_alarm():
    rng = np.random.default_rng(0)
    found = [paired_evidence(asked(rng, 100, 4, deviates=0.03)) for _ in range(300)]
    assert sum(one.fallen for one in found) <= 2


def test_five_points_less_are_seen_in_a_hundred_answers_of_a_steady_annotator():
    rng = np.random.default_rng(1)
    found = [paired_evidence(asked(rng, 100, 4, falls=0.05)) for _ in range(100)]
    assert np.median([one.fallen for one in found]) == 1


def test_five_points_less_are_seen_beside_a_type_of_items_that_is_answered_now_one_way_now_the_other():
    def unsteady(rng, falls):
        steady = [one for one in asked(rng, 110, 8, falls=falls) if rng.random() < 0.9]
        hard = [RepeatedAnswers(tuple((rng.random(8) < 0.7).tolist()), bool(rng.random() < 0.7)) for _ in range(10)]
        both = (steady + hard)[:100]
        return paired_evidence([both[n] for n in rng.permutation(len(both))])

    rng = np.random.default_rng(3)
    assert np.mean([unsteady(rng, 0.05).fallen for _ in range(100)]) > 0.6
    assert sum(unsteady(rng, 0.0).fallen for _ in range(300)) <= 2


def test_what_has_become_better_or_was_mostly_wrong_raises_no_alarm():
    better = [RepeatedAnswers((False,) * 6, True)] * 50 + [RepeatedAnswers((True,) * 6, True)] * 50
    assert not paired_evidence(better).fallen
    both = [RepeatedAnswers((False,) * 6, True)] * 20 + [RepeatedAnswers((True,) * 6, False)] * 20
    assert not paired_evidence(both).fallen
    assert (paired_evidence(both).worse, paired_evidence(both).better) == (20, 20)


@pytest.mark.parametrize("answers", [[], [RepeatedAnswers((), True)]])
def test_without_an_earlier_answer_there_is_nothing_to_compare(answers):
    with pytest.raises(ValueError, match="earlier answer"):
        paired_evidence(answers)

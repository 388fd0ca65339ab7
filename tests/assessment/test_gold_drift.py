"""The bets on gold that is asked again: fair while nothing changes, telling when fewer answers are right."""

import itertools
from math import comb, exp, log

import numpy as np
import pytest

from nextlabel.server.assessment.gold_drift import NOT_ASKED, RIGHT, WRONG, paired_evidence


def found(wrong, before=None):
    """The evidence of askings about items, shape (askings, items), that are answered wrong where it is True."""
    answers = np.where(wrong, WRONG, RIGHT).astype(np.int8)
    evidence = paired_evidence(answers, answers[:0] if before is None else before)
    assert evidence is not None
    return evidence


def asked(rng, items, earlier, *, deviates=0.0, falls=0.0, since=1):
    """An annotator that is right about nine items of ten, and since so many askings wrong about a share of these."""
    usual = rng.random(items) >= 0.9
    fallen = usual | (rng.random(items) < falls / 0.9)
    always = np.concatenate([np.tile(usual, (earlier, 1)), np.tile(fallen, (since, 1))])
    return always ^ (rng.random(always.shape) < deviates)


@pytest.mark.parametrize(("askings", "wrong_of_items"), [(2, (1, 1, 1, 0, 1, 2)), (4, (2, 2, 2)), (5, (1, 1, 2))])
def test_no_wealth_is_more_probable_than_its_inverse_while_any_answer_of_an_item_may_be_the_newest(
    askings, wrong_of_items
):
    orders = [list(itertools.combinations(range(askings), wrong)) for wrong in wrong_of_items]
    wealth = []
    for places in itertools.product(*orders):
        wrong = np.zeros((askings, len(wrong_of_items)), bool)
        for item, at in enumerate(places):
            wrong[list(at), item] = True
        wealth.append(exp(found(wrong).log_wealth))
    assert max(wealth) > 5
    for reached in set(wealth):
        assert np.mean(np.array(wealth) >= reached) <= 1 / reached + 1e-9


def test_what_one_item_wins_is_what_conditional_logistic_regression_says():
    wrong = np.array([[False]] * 3 + [[True]] * 2)
    # Two of five answers are wrong, and both are new: 1 of 10 ways.
    ways = [comb(2, new) * comb(3, 2 - new) for new in range(3)]
    won = [odds**2 / sum(way * odds**new for new, way in enumerate(ways)) * sum(ways) for odds in (4, 16, 64)]
    assert found(wrong).log_wealth == pytest.approx(log(sum(won) / 3))


def test_nothing_changes_and_hardly_ever_an_alarm():
    rng = np.random.default_rng(0)
    evidence = [found(asked(rng, items, 4, deviates=0.03)) for items in (40, 100) for _ in range(100)]
    assert sum(one.fallen for one in evidence) <= 1


def test_five_points_less_are_seen_in_a_hundred_answers_of_a_steady_annotator():
    rng = np.random.default_rng(1)
    assert np.median([found(asked(rng, 100, 4, falls=0.05)).fallen for _ in range(60)]) == 1
    # Half as many gold items that are asked twice as often say as much.
    assert np.mean([found(asked(rng, 50, 6, falls=0.05, since=2)).fallen for _ in range(60)]) > 0.4


def test_what_comes_and_goes_in_some_answers_is_seen_in_many():
    rng = np.random.default_rng(2)
    askings = [asked(rng, 100, 8, deviates=0.02, falls=0.05, since=4) for _ in range(40)]
    at_once, later = ([found(one[:until]).fallen for one in askings] for until in (9, 12))
    assert np.mean(at_once) < 0.3
    assert np.mean(later) > 0.45


def test_five_points_less_are_seen_beside_a_type_of_items_that_is_answered_now_one_way_now_the_other():
    def unsteady(rng, falls):
        steady, hard = asked(rng, 90, 8, falls=falls), rng.random((9, 10)) >= 0.7
        return found(np.concatenate([steady, hard], axis=1)[:, rng.permutation(100)])

    rng = np.random.default_rng(3)
    assert np.mean([unsteady(rng, 0.06).fallen for _ in range(60)]) > 0.6
    assert sum(unsteady(rng, 0.0).fallen for _ in range(60)) <= 1


def test_what_has_become_better_or_was_mostly_wrong_raises_no_alarm():
    right, wrong = np.zeros((6, 50), bool), np.ones((6, 50), bool)
    assert not found(np.concatenate([np.concatenate([wrong, right], axis=1), np.zeros((1, 100), bool)])).fallen
    turned = np.concatenate([np.arange(40) < 20, np.arange(40) >= 20]).reshape(2, 40)
    both = found(np.concatenate([np.tile(turned[0], (6, 1)), turned[1:]]))
    assert not both.fallen
    assert (both.worse, both.better) == (20, 20)


def test_after_a_change_answers_are_compared_with_those_before_it_until_a_hundred_have_come():
    before = np.full((3, 50), RIGHT, np.int8)
    since = np.arange(50) < 5
    assert found(since[None], before).worse == 5
    assert found(np.tile(since, (2, 1)), before).fallen
    third = found(np.tile(since, (3, 1)), before)
    assert (third.worse, third.fallen, third.right_before) == (0, False, 0.9)


def test_items_that_were_not_asked_about_before_or_are_not_now_count_for_nothing():
    answers = np.array([[RIGHT, NOT_ASKED, WRONG], [WRONG, RIGHT, NOT_ASKED]], np.int8)
    evidence = paired_evidence(answers, answers[:0])
    assert evidence is not None
    assert (evidence.items, evidence.worse, evidence.right_before, evidence.right_now) == (1, 1, 1.0, 0.0)
    assert paired_evidence(answers[:, 1:], answers[:0, 1:]) is None
    assert paired_evidence(answers[:1], answers[:0]) is None

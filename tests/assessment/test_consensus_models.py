"""Models of annotators against slow references, and where they must beat the vote."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.server.assessment.consensus.choice import METHODS, choose, majority
from nextlabel.server.assessment.consensus.crowdlab import Weights, learned_weights, with_learner
from nextlabel.server.assessment.consensus.dawid_skene import dawid_skene
from nextlabel.server.assessment.consensus.glad import PRIOR_MEAN, glad
from nextlabel.server.assessment.consensus.mace import mace
from nextlabel.server.assessment.consensus.one_coin import one_coin
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable, answer_table
from tests.assessment.annotations import annotation


def table(given_NW, classes, gold=None):
    given = np.asarray(given_NW)
    items, annotators = np.indices(given.shape)
    known = np.full(len(given), NO_GOLD) if gold is None else np.asarray(gold)
    kept = given.ravel() >= 0
    names = tuple(f"w{w}" for w in range(given.shape[1]))
    return AnswerTable(
        items.ravel()[kept],
        annotators.ravel()[kept],
        given.ravel()[kept],
        known,
        names,
        tuple(map(str, range(classes))),
    )


def simulated(seed, accuracies, items=1500, classes=2):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, items)
    right = rng.random((items, len(accuracies))) < np.array(accuracies)
    wrong = (truth[:, None] + rng.integers(1, classes, right.shape)) % classes
    return truth, np.where(right, truth[:, None], wrong)


def right(posterior, truth):
    return float((posterior.argmax(axis=1) == truth).mean())


def test_good_annotators_count_more_with_three_answers_an_item():
    truth, given = simulated(0, [0.9, 0.6, 0.6])
    answers = table(given, 2)
    assert right(majority(answers), truth) == pytest.approx(0.79, abs=0.03)
    for posterior in (dawid_skene(answers)[0], mace(answers)[0], one_coin(answers)[0]):
        assert right(posterior, truth) > 0.87


def test_annotators_who_are_alike_are_taken_for_alike():
    """Two answers an item hardly tell six annotators apart: what seems to is chance, and costs right labels."""
    found = []
    for seed in range(8):
        truth, given = simulated(seed, [0.65] * 6, items=800)
        given[np.random.default_rng(seed).random(given.shape) > 0.4] = -1
        answers, answered = table(given, 2), (given >= 0).any(axis=1)
        posterior, panel = one_coin(answers)
        accuracy_W = np.exp(panel.log_given_KC.reshape(6, 2, 2)[:, 0, 0])
        of_votes = right(majority(answers)[answered], truth[answered])
        found.append((accuracy_W.std(), right(posterior[answered], truth[answered]) - of_votes))
    spread, gain = np.mean(found, axis=0)
    assert spread < 0.045
    assert gain > -0.01


def test_one_more_answer_needs_no_fit():
    _, given = simulated(1, [0.9, 0.7, 0.6], classes=3)
    posterior, panel = dawid_skene(table(given, 3))
    for item in range(20):
        answers = {f"w{w}": int(label) for w, label in enumerate(given[item])}
        assert panel.posterior(answers) == pytest.approx(posterior[item], abs=0.02)
    stranger = panel.posterior({"somebody else": 1})
    assert stranger.argmax() == 1
    assert panel.posterior({}) == pytest.approx(np.exp(panel.log_prior_C))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.integers(2, 4))
def test_posteriors_are_probabilities_gold_stays_and_the_order_of_annotators_is_nothing(seed, panel_size, classes):
    rng = np.random.default_rng(seed)
    given_NW = rng.integers(-1, classes, (30, panel_size))
    gold = np.where(rng.random(30) < 0.3, rng.integers(0, classes, 30), NO_GOLD)
    for method in METHODS.values():
        found = method(table(given_NW, classes, gold))
        assert np.isfinite(found).all()
        answered = (given_NW >= 0).any(axis=1) | (gold != NO_GOLD)
        assert found[answered].sum(axis=1) == pytest.approx(1.0)
        known = gold != NO_GOLD
        assert (found[known].argmax(axis=1) == gold[known]).all()
        turned = method(table(given_NW[:, ::-1], classes, gold))
        assert found == pytest.approx(turned, abs=1e-3)


def test_gold_finds_the_good_ones_among_many_who_err_alike():
    rng = np.random.default_rng(3)
    truth, others = simulated(3, [0.85, 0.85], classes=4)
    trapped = rng.random(len(truth)) < 0.35
    alike = np.where(trapped, (truth + 1) % 4, truth)[:, None].repeat(6, axis=1)
    gold = np.where(np.arange(len(truth)) < 50, truth, NO_GOLD)
    answers = table(np.hstack([alike, others]), 4, gold)
    found = choose(answers)
    unseen = slice(50, None)
    assert right(found.probabilities_NC[unseen], truth[unseen]) > right(majority(answers)[unseen], truth[unseen]) + 0.1
    assert found.method == "gold_weighted"
    assert found.on_gold["majority"].high < found.on_gold["gold_weighted"].value


def test_even_errors_take_one_number_an_annotator():
    truth, given = simulated(5, [0.9] + [0.32] * 6, classes=4)
    answers = table(given, 4)
    assert choose(answers).method == "one_coin"
    assert right(one_coin(answers)[0], truth) > right(dawid_skene(answers)[0], truth)


def test_an_only_annotator_is_known_by_gold_alone_where_there_is_enough_a_class():
    truth, given = simulated(6, [0.7], items=400)
    given[truth == 0] = np.where(np.arange((truth == 0).sum()) % 2, 1, 0)[:, None]
    gold = np.where(np.arange(400) < 30, truth, NO_GOLD)
    assert choose(table(given, 2, gold)).method == "gold_weighted"
    assert choose(table(given, 4, gold)).method != "gold_weighted"


def test_how_likely_answers_are_is_told_with_the_class_of_gold():
    _, given = simulated(4, [0.8, 0.6], items=12, classes=3)
    given[3, 1] = -1
    gold = np.where(np.arange(12) % 3 == 0, given[:, 0], NO_GOLD)
    answers = table(given, 3, gold)
    panel = dawid_skene(answers)[1]
    chance_WGT = np.exp(panel.log_given_KC).reshape(2, 3, 3)
    likely = 0.0
    for item, known in enumerate(gold):
        by_class = [
            np.exp(panel.log_prior_C[c])
            * np.prod([chance_WGT[w, said, c] for w, said in enumerate(given[item]) if said >= 0])
            for c in range(3)
        ]
        likely += np.log(sum(by_class) if known == NO_GOLD else by_class[known])
    assert panel.log_likelihood(answers) == pytest.approx(likely)


def test_without_gold_and_second_answers_the_votes_stand():
    """Two annotators who were asked about different items: nothing says which way suits."""
    _, given = simulated(4, [0.8, 0.7], items=60)
    given[::2, 0] = given[1::2, 1] = -1
    assert choose(table(given, 2)).method == "majority"


def test_without_gold_nothing_is_claimed_about_gold():
    _, given = simulated(4, [0.8, 0.7])
    found = choose(table(given, 2))
    assert dict(found.on_gold) == {}


def test_annotators_who_confuse_classes_are_seen_through_without_gold():
    truth, given = simulated(6, [0.9] * 5, classes=4)
    for w in range(5):
        mistaken = (truth == w % 4) & (np.random.default_rng(w).random(len(truth)) < 0.7)
        given[mistaken, w] = (w + 1) % 4
    found = choose(table(given, 4))
    assert found.method == "dawid_skene"
    assert right(found.probabilities_NC, truth) > right(majority(table(given, 4)), truth) + 0.01


def test_no_other_abilities_and_difficulties_near_those_of_glad_explain_the_answers_better():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, 12)
    given = np.where(rng.random((12, 4)) < [0.9, 0.8, 0.6, 0.2], truth[:, None], rng.integers(0, 3, (12, 4)))
    answers = table(given, 3)
    posterior, skills = glad(answers)

    def score(ability, log_easiness):
        """The log posterior, every true class of every item summed over."""
        total = -0.5 * ((ability - PRIOR_MEAN) ** 2).sum() - 0.5 * ((log_easiness - PRIOR_MEAN) ** 2).sum()
        for item in range(12):
            right = 1 / (1 + np.exp(-ability * np.exp(log_easiness[item])))
            told = [np.where(given[item] == c, right, (1 - right) / 2).prod() for c in range(3)]
            total += np.log(np.dot(skills.prior_C, told))
        return total

    found = np.concatenate([skills.ability_W, np.log(skills.easiness_N)])
    steps = 1e-4 * np.eye(len(found))
    slopes = [(score(*np.split(found + s, [4])) - score(*np.split(found - s, [4]))) / 2e-4 for s in steps]
    assert np.abs(slopes).max() < 0.05
    assert skills.ability_W.argmin() == 3
    assert right(posterior, truth) >= 0.9


def test_items_that_are_hard_for_everybody_are_seen_as_hard():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 1500)
    easy = rng.random(1500) < 0.5
    ability = np.array([3.0, 2.0, 1.0, 0.5, 0.5, 0.5])
    chance = 1 / (1 + np.exp(-ability * np.where(easy, 2.0, 0.2)[:, None]))
    given = np.where(rng.random(chance.shape) < chance, truth[:, None], 1 - truth[:, None])
    posterior, skills = glad(table(given, 2))
    assert right(posterior, truth) > right(majority(table(given, 2)), truth) + 0.02
    assert skills.easiness_N[easy].mean() > skills.easiness_N[~easy].mean()
    assert np.corrcoef(skills.ability_W, ability)[0, 1] > 0.9


def test_a_learner_counts_for_what_gold_says_it_is_worth():
    truth, given = simulated(5, [0.6], classes=3)
    alone_NC, _ = one_coin(table(given, 3))
    rng = np.random.default_rng(5)
    good = np.eye(3)[np.where(rng.random(len(truth)) < 0.9, truth, (truth + 1) % 3)] * 0.8 + 0.2 / 3
    useless = rng.dirichlet(np.ones(3), len(truth))
    alone = right(alone_NC[100:], truth[100:])

    def beside(learner_NC):
        weights = learned_weights(alone_NC[:100], learner_NC[:100], truth[:100])
        return right(with_learner(alone_NC, learner_NC, weights)[100:], truth[100:])

    assert beside(good) > alone + 0.15
    assert beside(useless) > alone - 0.02
    assert with_learner(good, useless, Weights()) == pytest.approx(good, abs=1e-3)


def test_answers_become_a_table_without_copies_and_unknown_classes():
    by_row = {
        5: [annotation(1, "x", "a", row=5, answer_key="k"), annotation(2, "y", "a", row=5, answer_key="k")],
        9: [annotation(3, "x", "b", row=9), annotation(4, "y", "gone", row=9)],
        11: [annotation(5, "y", "gone", row=11)],
    }
    found, rows = answer_table(by_row, {9: "b"}, ("a", "b"))
    assert list(rows) == [5, 9]
    assert list(zip(found.item_A, found.annotator_A, found.class_A, strict=True)) == [(0, 0, 0), (1, 0, 1)]
    assert found.gold_N.tolist() == [NO_GOLD, 1]

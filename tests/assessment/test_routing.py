"""Routes of learner, LLMs and people for a budget, against brute force and by simulation."""

import numpy as np
import pytest
from scipy.optimize import linprog

from nextlabel.server.assessment.routing.allocation import allocate
from nextlabel.server.assessment.routing.cascades import GoldAnswers, Prices, Prospects, follow, routes
from nextlabel.server.assessment.routing.plans import plan

PRICES = Prices({"cheap": 200.0, "strong": 3_000.0}, 50_000.0)


def answers(rng, n, classes=5):
    """The learner is right as often as it is sure, LLMs at random in eight and nine of ten cases."""
    truth, sure = rng.integers(0, classes, n), rng.beta(3, 1, n)

    def said(chance):
        return np.where(rng.random(n) < chance, truth, (truth + rng.integers(1, classes, n)) % classes)

    return GoldAnswers(truth, said(sure), sure, {"cheap": said(0.8), "strong": said(0.9)})


@pytest.mark.parametrize("seed", range(8))
def test_an_allocation_is_the_optimum_of_the_linear_program(seed):
    rng = np.random.default_rng(seed)
    K, B = 4, 5
    right, cost = rng.random((K, B)), rng.integers(1, 10, (K, B)).astype(float)
    cost[0] = 0
    items, budget = rng.integers(1, 9, B).astype(float), float(rng.uniform(0, 150))
    found = allocate(Prospects(right, cost), items, budget)
    each_once = [[float(place % B == b) for place in range(K * B)] for b in range(B)]
    best = linprog(
        -(right * items).ravel(), A_ub=[(cost * items).ravel()], b_ub=[budget], A_eq=each_once, b_eq=np.ones(B)
    )
    assert (found.share_KB * right * items).sum() == pytest.approx(-best.fun)
    assert (found.share_KB * cost * items).sum() <= budget + 1e-6
    assert found.share_KB.sum(axis=0) == pytest.approx(np.ones(B))


def test_asking_ends_with_the_first_answer_that_repeats_a_label():
    #                       agreed at once, agreed at last, never agreed, nobody usable
    gold = GoldAnswers(
        truth_G=np.array([0, 1, 2, 0]),
        learned_G=np.array([0, 0, 0, 0]),
        sure_G=np.full(4, 0.5),
        given={"cheap": np.array([0, 1, 1, -1]), "strong": np.array([1, 1, 2, -1])},
    )
    assert routes(["cheap", "strong"], people=False) == [(), ("cheap",), ("strong",), ("cheap", "strong")]
    found = follow(("cheap", "strong", "person"), gold)
    assert found.asked_SG.tolist() == [[True] * 4, [False, True, True, True], [False, False, True, True]]
    assert found.right_G.tolist() == [True, True, False, False]
    assert found.by_person_G.tolist() == [False, False, True, True]
    assert follow(("cheap", "strong"), gold).right_G.tolist() == [True, True, True, False]
    assert follow((), gold).right_G.tolist() == [True, False, False, True]


def test_the_interval_of_a_plan_holds_what_comes_of_it():
    held = 0
    for seed in range(1, 5):
        rng = np.random.default_rng(seed)
        gold, pool = answers(rng, 400), answers(rng, 4_000)
        found = plan(gold, pool.sure_G, PRICES, 4e6)
        outcomes = [follow(way, pool.subset(found.taken_N == k)) for k, way in enumerate(found.ways)]
        right = sum(int((one.right_G | one.by_person_G).sum()) for one in outcomes)
        held += found.accuracy.low <= right / 4_000 <= found.accuracy.high
    assert held >= 3


def test_money_goes_where_it_buys_most():
    rng = np.random.default_rng(1)
    gold, pool = answers(rng, 400), answers(rng, 4_000)
    found = plan(gold, pool.sure_G, PRICES, 4e6)
    assert found.micro_usd == pytest.approx(4e6, rel=0.01)
    assert sum(step.items for step in found.steps) == pytest.approx(4_000, abs=len(found.steps))
    assert found.llm_alone is not None
    assert found.accuracy.value > found.llm_alone.accuracy + 0.05
    assert found.people_micro_usd is not None
    assert found.people_micro_usd > 2 * found.micro_usd
    assert found.steps[0].highest == pool.sure_G.max()


def test_without_money_the_learner_labels_all_and_with_much_of_it_nothing_is_wasted():
    rng = np.random.default_rng(2)
    gold, pool = answers(rng, 200), answers(rng, 1_000)
    poor = plan(gold, pool.sure_G, PRICES, 0)
    assert [(step.route, step.items) for step in poor.steps] == [((), 1_000)]
    assert (poor.micro_usd, poor.people_micro_usd) == (0, 0)
    rich = plan(gold, pool.sure_G, PRICES, 1e12)
    assert rich.accuracy.value > 0.99
    assert rich.micro_usd < 1_000 * 50_000
    assert not any("person" in step.route for step in plan(gold, pool.sure_G, Prices({"cheap": 1.0}, None), 1e9).steps)


def test_llms_that_know_nothing_are_not_asked():
    rng = np.random.default_rng(3)
    gold, pool = answers(rng, 400), answers(rng, 1_000)
    useless = {"noise": rng.integers(0, 5, 400)}
    asked = GoldAnswers(gold.truth_G, gold.learned_G, gold.sure_G, useless)
    found = plan(asked, pool.sure_G, Prices({"noise": 40_000.0}, 50_000.0), 5e6)
    assert {step.route for step in found.steps} <= {(), ("person",)}


def test_too_little_gold_makes_no_plan():
    rng = np.random.default_rng(4)
    with pytest.raises(ValueError, match="at least 1 and 50 needed"):
        plan(answers(rng, 49), [0.5], PRICES, 1)
    with pytest.raises(ValueError, match="0 items"):
        plan(answers(rng, 60), [], PRICES, 1)

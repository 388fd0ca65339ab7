"""Strategies on pairs, of which a learner says which side is better."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.strategies import (
    ArrayPool,
    ComparisonHead,
    Difficulties,
    LabeledSet,
    LinearHead,
    Need,
    SelectionContext,
    get_strategy,
    strategy_names,
)
from nextlabel.strategies.arithmetic.arrays import Exact, Floats

SIDE, PENALTY = 8, 0.3


@pytest.fixture
def heads(rng: np.random.Generator) -> ComparisonHead:
    """A reward of what has 8 numbers a side, and ties that are about as probable as not."""
    reward = np.tile(3 * rng.standard_normal(SIDE), 2) * np.repeat([0.5, -0.5], SIDE)
    return ComparisonHead(LinearHead(np.stack([reward, 0 * reward, -reward]), np.array([0, 0.3, 0])), PENALTY)


def context(heads: ComparisonHead | None, labeled: Floats) -> SelectionContext:
    return SelectionContext(predictor=heads, labeled=LabeledSet(labeled, np.arange(len(labeled)) % 3))


def precision(heads: ComparisonHead, pairs: Floats) -> Exact:
    """The posterior's precision after answers about some pairs, from its definition."""
    total = PENALTY * np.eye(SIDE)
    for pair in pairs.astype(np.float64):
        first, tie, second = np.exp(heads.choice.coef_CD @ pair + heads.choice.intercept_C)
        p = np.array([first, tie, second]) / (first + tie + second)
        sides = np.array([0.5, 0, -0.5])
        difference = pair[:SIDE] - pair[SIDE:]
        total += (p @ sides**2 - (p @ sides) ** 2) * np.outer(difference, difference)
    return total


def test_each_pick_adds_most_to_the_determinant_of_the_precision(embeddings: Floats, heads: ComparisonHead) -> None:
    pool, labeled = embeddings[:60], embeddings[60:75]
    picks = get_strategy("d_optimal").select(ArrayPool(pool), 6, context(heads, labeled)).rows_k
    known = labeled
    for pick in picks:
        left = rows_left(pool, known)
        gained = [np.linalg.slogdet(precision(heads, np.vstack([known, pool[row]])))[1] for row in left]
        assert left[int(np.argmax(gained))] == pick
        known = np.vstack([known, pool[pick]])


@pytest.mark.parametrize("name", ["bait", "default"])
def test_each_pick_leaves_least_to_be_lost_on_the_pool(embeddings: Floats, heads: ComparisonHead, name: str) -> None:
    pool, labeled = embeddings[:60], embeddings[60:75]
    picks = get_strategy(name).select(ArrayPool(pool), 6, context(heads, labeled)).rows_k
    of_pool = precision(heads, pool) - precision(heads, pool[:0])
    known = labeled
    for pick in picks:
        left = rows_left(pool, known)
        lost = [np.trace(np.linalg.solve(precision(heads, np.vstack([known, pool[row]])), of_pool)) for row in left]
        assert left[int(np.argmin(lost))] == pick
        known = np.vstack([known, pool[pick]])


def rows_left(pool: Floats, known: Floats) -> list[int]:
    return [row for row in range(len(pool)) if not (known[:, None] == pool[row]).all(axis=2).any()]


def test_which_side_stands_first_does_not_matter(embeddings: Floats, heads: ComparisonHead) -> None:
    swapped = embeddings.copy()
    swapped[::2] = np.roll(swapped[::2], SIDE, axis=1)
    labeled = embeddings[500:]
    one, other = (
        get_strategy("default").select(ArrayPool(pool[:500]), 20, context(heads, labeled)).rows_k
        for pool in (embeddings, swapped)
    )
    np.testing.assert_array_equal(one, other)


def test_before_there_is_a_learner_pairs_are_picked_by_how_their_sides_differ(embeddings: Floats) -> None:
    """Where all pairs but some are of texts that are alike, an answer about those some tells anything at all."""
    alike = embeddings.copy()
    alike[8:, SIDE:] = alike[8:, :SIDE]
    unknown = SelectionContext(pairs=True)
    assert set(get_strategy("default").select(ArrayPool(alike), 8, unknown).rows_k) == set(range(8))
    rows = get_strategy("default").select(ArrayPool(embeddings), 20, unknown).rows_k
    turned = np.roll(embeddings, SIDE, axis=1)
    np.testing.assert_array_equal(rows, get_strategy("default").select(ArrayPool(turned), 20, unknown).rows_k)


# Strategies of annotators' labels ask again about what is answered; pairs of a pool are not.
ASKING = [name for name in strategy_names() if Need.ANNOTATOR_LABELS not in get_strategy(name).needs]


@pytest.mark.parametrize("name", ASKING)
def test_every_strategy_picks_a_batch(name: str, embeddings: Floats, heads: ComparisonHead) -> None:
    strategy = get_strategy(name)
    given = SelectionContext(
        predictor=heads,
        committee=[heads.linear, heads.linear],
        labeled=LabeledSet(embeddings[:30], np.arange(30) % 3),
        difficulties=Difficulties(embeddings[:30], np.linspace(0, 1, 30)),
    )
    picked = strategy.select(ArrayPool(embeddings[30:]), 10, given).rows_k
    assert len(set(picked.tolist())) == 10


def test_the_dueling_bandit_compares_what_may_be_the_best(rng: np.random.Generator) -> None:
    """Members agree that the first texts are good: pairs of them come first, and never a pair of bad ones."""
    texts = np.zeros((30, SIDE), np.float32)
    texts[:, 0] = np.linspace(1, -1, 30)
    texts[:, 1:] = 0.01 * rng.standard_normal((30, SIDE - 1))
    sides = np.array([(a, b) for a in range(30) for b in range(a + 1, 30)])
    pairs = np.hstack([texts[sides[:, 0]], texts[sides[:, 1]]]).astype(np.float32)

    def member() -> LinearHead:
        reward = np.concatenate([[5.0], rng.standard_normal(SIDE - 1)])
        both = np.concatenate([reward, -reward]) / 2
        return LinearHead(np.stack([both, 0 * both, -both]).astype(np.float32), np.zeros(3, np.float32))

    committee = [member() for _ in range(5)]
    given = SelectionContext(predictor=ComparisonHead(committee[0], PENALTY), committee=committee, seed=3)
    picked = get_strategy("double_thompson").select(ArrayPool(pairs), 10, given).rows_k
    assert sides[picked].max() <= 6
    assert sides[picked][0].tolist() == [0, 1]

"""Expected model change, query by committee for scores, and strategies that look at sets of classes, by definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from nextlabel.strategies import (
    ArrayPool,
    LabeledSet,
    LevelHead,
    LinearHead,
    SelectionContext,
    YesNoHeads,
    get_strategy,
)
from nextlabel.strategies.arithmetic.arrays import Exact, Floats
from nextlabel.strategies.pickers.category_vectors import set_distances

LEVELS, MEMBERS = 5, 4


def head(rng: np.random.Generator, classes: int, dimension: int) -> LinearHead:
    coef, intercept = 2 * rng.standard_normal((classes, dimension)), rng.standard_normal(classes)
    return LinearHead(coef.astype(np.float32), intercept.astype(np.float32))


def probabilities(head: LinearHead, rows: Floats) -> Exact:
    logits = rows.astype(np.float64) @ head.coef_CD.T.astype(np.float64) + head.intercept_C
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def checked(name: str, rows: Floats, context: SelectionContext, expected: Exact) -> None:
    """The picks are the rows of highest value, each with its own."""
    batch = get_strategy(name).select(ArrayPool(rows), 25, context)
    np.testing.assert_allclose(batch.scores_k, np.sort(expected)[::-1][:25], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(batch.scores_k, expected[batch.rows_k], rtol=1e-3, atol=1e-6)


def test_scores_by_how_far_the_committee_is_from_the_learner(embeddings: Floats, rng: np.random.Generator) -> None:
    own = head(rng, LEVELS, embeddings.shape[1])
    committee = [head(rng, LEVELS, embeddings.shape[1]) for _ in range(MEMBERS)]
    context = SelectionContext(predictor=LevelHead(own), committee=committee)
    levels = np.stack([probabilities(member, embeddings) @ np.arange(LEVELS) for member in committee])
    length = np.sqrt(1 + (embeddings.astype(np.float64) ** 2).sum(axis=1))
    off = np.abs(levels - probabilities(own, embeddings) @ np.arange(LEVELS)).mean(axis=0)
    checked("expected_model_change", embeddings, context, off * length)
    checked("committee_variance", embeddings, context, levels.var(axis=0))


def test_of_classes_the_change_is_the_expected_length_of_the_gradient(
    embeddings: Floats, rng: np.random.Generator
) -> None:
    own = head(rng, LEVELS, embeddings.shape[1])
    context = SelectionContext(predictor=own, committee=[own, own])
    expected = np.zeros(len(embeddings))
    beside_one = np.hstack([embeddings, np.ones((len(embeddings), 1))]).astype(np.float64)
    for n, p in enumerate(probabilities(own, embeddings)):
        gradients = [np.outer(p - answer, beside_one[n]) for answer in np.eye(LEVELS)]
        expected[n] = p @ [np.linalg.norm(gradient) for gradient in gradients]
    checked("expected_model_change", embeddings, context, expected)


@pytest.fixture
def heads(rng: np.random.Generator) -> YesNoHeads:
    return YesNoHeads(LinearHead.from_decision(4 * rng.standard_normal((6, 16)), rng.standard_normal(6)))


def given_sets(embeddings: Floats, rng: np.random.Generator, count: int = 30) -> LabeledSet:
    sets = rng.random((count, 6)) < 0.3
    return LabeledSet(embeddings[:count], np.where(sets.any(axis=1), sets.argmax(axis=1) + 1, 0), sets_LC=sets)


def test_unusual_numbers_of_classes_that_are_close_to_others_come_first(
    embeddings: Floats, heads: YesNoHeads, rng: np.random.Generator
) -> None:
    labeled, pool = given_sets(embeddings, rng), embeddings[30:]
    logits = pool.astype(np.float64) @ heads.questions.coef_CD.T.astype(np.float64) + heads.questions.intercept_C
    expected = np.zeros(len(pool))
    assert labeled.sets_LC is not None
    for n, row in enumerate(logits):
        given, others = row[row > 0], row[row <= 0]
        gap = (given.min() if len(given) else 0) - (others.max() if len(others) else 0)
        unusual = abs(len(given) - labeled.sets_LC.sum(axis=1).mean())
        expected[n] = np.sqrt(unusual / max(gap, 2.0**-10))
    checked("label_cardinality", pool, SelectionContext(predictor=heads, labeled=labeled), expected)


def test_where_one_class_applies_the_cardinality_is_left_out(embeddings: Floats, rng: np.random.Generator) -> None:
    context = SelectionContext(
        predictor=head(rng, 3, embeddings.shape[1]), labeled=LabeledSet(embeddings[:9], np.arange(9) % 3)
    )
    of_margin, of_cardinality = (
        get_strategy(name).select(ArrayPool(embeddings[9:]), 20, context).rows_k
        for name in ("margin", "label_cardinality")
    )
    np.testing.assert_array_equal(of_margin, of_cardinality)


def test_sets_are_as_far_apart_as_their_memberships_tell_little_of_each_other() -> None:
    one = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], np.bool_)
    found = set_distances(one, np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], np.bool_))
    # Equal sets, the opposite ones, and two memberships that tell nothing of each other.
    np.testing.assert_allclose(found[0], [0, 1, 1, 1], atol=1e-12)
    # 2 H(one, other) - H(one) - H(other) over H(one, other), with cells of 1/4, 0, 1/4, 1/2.
    joint, single, even = 1.5 * np.log(2), -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)), np.log(2)
    assert found[1, 0] == pytest.approx((2 * joint - single - even) / joint)
    assert found[2, 3] == 0


def test_doubtful_rows_whose_set_is_unlike_those_given_come_first(
    embeddings: Floats, heads: YesNoHeads, rng: np.random.Generator
) -> None:
    labeled, pool = given_sets(embeddings, rng), embeddings[30:90]
    logits = pool.astype(np.float64) @ heads.questions.coef_CD.T.astype(np.float64) + heads.questions.intercept_C
    margins = np.abs(2 / (1 + np.exp(-logits)) - 1)
    doubt = (margins[None] >= margins[:, None]).sum(axis=1).mean(axis=1) / len(pool)
    assert labeled.sets_LC is not None
    unlike = set_distances(logits > 0, labeled.sets_LC).mean(axis=1)
    values = doubt * unlike
    picked = get_strategy("category_vectors").select(
        ArrayPool(pool), 20, SelectionContext(predictor=heads, labeled=labeled)
    )
    assert all(values[one] >= values[other] - 1e-5 for one, other in pairwise(picked.rows_k))
    assert values[picked.rows_k].min() >= np.sort(values)[-20] - 1e-5

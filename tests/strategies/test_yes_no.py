"""Strategies on classes of which any number applies."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.strategies import (
    ArrayPool,
    LabeledSet,
    LinearHead,
    SelectionContext,
    YesNoHeads,
    get_strategy,
    strategy_names,
)
from nextlabel.strategies.arithmetic.arrays import Array, Floats

CLASSES = 6


@pytest.fixture
def heads(rng: np.random.Generator) -> YesNoHeads:
    return YesNoHeads(LinearHead.from_decision(4 * rng.standard_normal((CLASSES, 16)), rng.standard_normal(CLASSES)))


def yes(heads: YesNoHeads, embeddings: Floats) -> Array:
    logits = embeddings.astype(np.float64) @ heads.questions.coef_CD.T.astype(np.float64) + heads.questions.intercept_C
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("name", ["margin", "min_margin", "entropy", "least_confidence"])
def test_scores_ask_every_class_by_itself(name: str, embeddings: Floats, heads: YesNoHeads) -> None:
    p = yes(heads, embeddings)
    expected = {
        "margin": -np.abs(2 * p - 1).mean(axis=1),
        "min_margin": -np.abs(2 * p - 1).min(axis=1),
        "entropy": -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean(axis=1),
        "least_confidence": np.minimum(p, 1 - p).mean(axis=1),
    }[name]
    batch = get_strategy(name).select(ArrayPool(embeddings), 25, SelectionContext(predictor=heads))
    np.testing.assert_allclose(batch.scores_k, np.sort(expected)[::-1][:25], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(batch.scores_k, expected[batch.rows_k], rtol=1e-4, atol=1e-6)


def test_where_one_class_applies_the_smallest_margin_is_the_margin(embeddings: Floats, head: LinearHead) -> None:
    context = SelectionContext(predictor=head)
    of_margin, of_smallest = (
        get_strategy(name).select(ArrayPool(embeddings), 20, context) for name in ("margin", "min_margin")
    )
    np.testing.assert_array_equal(of_margin.rows_k, of_smallest.rows_k)


def test_as_a_choice_classes_stand_to_none_as_their_odds(embeddings: Floats, heads: YesNoHeads) -> None:
    choice, p = heads.predict_proba(embeddings), yes(heads, embeddings)
    np.testing.assert_allclose(choice.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(choice[:, 1:] / choice[:, :1], p / (1 - p), rtol=1e-3)


def test_the_default_picks_what_tells_most_about_the_pool_before_there_is_a_learner_too(
    embeddings: Floats, heads: YesNoHeads
) -> None:
    sets = np.zeros((30, CLASSES), np.bool_)
    sets[:, 0] = True
    labeled = LabeledSet(embeddings[:30], np.ones(30, np.int64), sets_LC=sets)
    for context in (SelectionContext(predictor=heads), SelectionContext(labeled=labeled)):
        picked, expected = (
            get_strategy(name).select(ArrayPool(embeddings[30:]), 12, context) for name in ("default", "bait")
        )
        np.testing.assert_array_equal(picked.rows_k, expected.rows_k)
        assert set(picked.reasons_k) == {"tells most about the pool"}


@pytest.mark.parametrize("name", strategy_names())
def test_every_strategy_picks_a_batch(name: str, embeddings: Floats, heads: YesNoHeads) -> None:
    labeled = LabeledSet(embeddings[:40].astype(np.float32), np.arange(40) % (CLASSES + 1))
    context = SelectionContext(predictor=heads, committee=[heads.linear] * 2, labeled=labeled, seed=3)
    strategy = get_strategy(name)
    if context.missing(strategy.needs):
        pytest.skip("needs answers by annotators")
    batch = strategy.select(ArrayPool(embeddings[40:]), 8, context)
    assert len(set(batch.rows_k.tolist())) == 8


def test_rows_that_promise_a_rare_class_are_sought_in_all_of_a_large_pool(
    rng: np.random.Generator, heads: YesNoHeads
) -> None:
    embeddings = 0.1 * rng.standard_normal((9_000, 16)).astype(np.float32)
    labels = np.array([12, 12, 12, 3, 12, 12, 12])
    known = LabeledSet(embeddings[: labels.sum()], np.repeat(np.arange(CLASSES + 1), labels))
    context = SelectionContext(heads, labeled=known, seed=3)
    sought = get_strategy("default", sample=10).shortlist(ArrayPool(embeddings), 4, context).rows_m[16:]
    odds = yes(heads, embeddings) / (1 - yes(heads, embeddings))
    promise = odds[:, 2] / (1 + odds.sum(axis=1))
    assert set(sought) <= set(np.argsort(-promise)[:40].tolist())
    assert len(sought) > 30

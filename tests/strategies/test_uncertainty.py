from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from nextlabel.strategies import (
    ArrayPool,
    Block,
    LinearHead,
    NotFiniteError,
    SelectionContext,
    UnmetNeedError,
    get_strategy,
)
from nextlabel.strategies.arithmetic.arrays import Array, Floats


def probabilities(head: LinearHead, embeddings: Floats) -> Array:
    logits = embeddings.astype(np.float64) @ head.coef_CD.T.astype(np.float64) + head.intercept_C
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def textbook_score(name: str, proba: Array) -> Array:
    ordered = np.sort(proba, axis=1)
    return {
        "margin": ordered[:, -2] - ordered[:, -1],
        "entropy": -(proba * np.log(proba)).sum(axis=1),
        "least_confidence": 1 - ordered[:, -1],
        "ratio": ordered[:, -2] / ordered[:, -1],
    }[name]


@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence", "ratio"])
@pytest.mark.parametrize("n_classes", [2, 3, 4, 7, 151])
def test_picks_and_scores_equal_the_textbook_formula(
    name: str, n_classes: int, embeddings: Floats, rng: np.random.Generator
) -> None:
    head = LinearHead.from_decision(5 * rng.standard_normal((n_classes, 16)), rng.standard_normal(n_classes))
    expected = textbook_score(name, probabilities(head, embeddings))
    batch = get_strategy(name).select(ArrayPool(embeddings), 25, SelectionContext(predictor=head))
    assert batch.rows_k.tolist() == np.argsort(-expected)[:25].tolist()
    np.testing.assert_allclose(batch.scores_k, expected[batch.rows_k], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence", "ratio"])
def test_a_predictor_without_a_linear_form_gives_the_same_picks(
    name: str, embeddings: Floats, head: LinearHead
) -> None:
    class Opaque:
        n_classes = 5
        linear = None

        def predict_proba(self, embeddings_nD: Floats) -> Array:
            return probabilities(head, embeddings_nD)

    pool = ArrayPool(embeddings)
    linear = get_strategy(name).select(pool, 30, SelectionContext(predictor=head))
    opaque = get_strategy(name).select(pool, 30, SelectionContext(predictor=Opaque()))
    assert opaque.rows_k.tolist() == linear.rows_k.tolist()


def test_the_binary_decision_function_of_scikit_learn_becomes_two_classes(
    embeddings: Floats, rng: np.random.Generator
) -> None:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10).fit(embeddings[:50], embeddings[:50, 0] > 0)
    head = LinearHead.from_decision(model.coef_, model.intercept_)
    np.testing.assert_allclose(head.predict_proba(embeddings), model.predict_proba(embeddings), atol=1e-5)


def test_uncertainty_without_a_learner_is_refused_before_the_pool_is_read() -> None:
    class UnreadablePool(ArrayPool):
        def blocks(self) -> Iterator[Block]:
            raise AssertionError("the pool was read")

    with pytest.raises(UnmetNeedError, match=r"'margin' needs probabilities.*'default' or 'random'"):
        get_strategy("margin").select(UnreadablePool(np.zeros((3, 2), np.float32)), 1, SelectionContext())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_embedding_that_is_not_finite_is_named(bad: float, embeddings: Floats, head: LinearHead) -> None:
    embeddings[431, 3] = bad
    with pytest.raises(NotFiniteError, match="row 431"):
        get_strategy("margin").select(ArrayPool(embeddings), 5, SelectionContext(predictor=head))

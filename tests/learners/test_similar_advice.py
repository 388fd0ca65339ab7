"""Advice about the pool: an item's advice is held against what is said of similar ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from nextlabel.server.learners.advice.elsewhere import AdviceOnPool
from nextlabel.server.learners.advice.features import AdviceFeatures, Opinion, advice_features
from nextlabel.server.learners.advice.similar import FEWEST, PENALTY, SimilarAdvice
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet

CLASSES = ("a", "b", "c")
DEFAULT = parse_learner_spec("default", {})
LABELED, POOL, TEST = np.arange(10), np.arange(10, 400), np.arange(400, 900)


def _said(named_n: NDArray[np.int64], advisor: str = "llm") -> AdviceFeatures:
    return advice_features([{advisor: Opinion({int(c): 1.0}, None)} for c in named_n], (advisor,), len(CLASSES))


def _world() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Items whose embedding tells much of the class, and an advisor that errs in three of ten cases, here and there."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, 900)
    points = 0.6 * rng.normal(size=(3, 16))[labels] + rng.normal(size=(900, 16))
    named = np.where(rng.random(900) < 0.7, labels, rng.integers(0, 3, 900))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), labels, named


def _trained(pool_advice: AdviceFeatures | None) -> Model:
    embeddings, labels, named = _world()
    training = TrainingSet(
        embeddings[LABELED],
        labels[LABELED],
        np.ones(len(LABELED), np.bool_),
        np.ones(len(LABELED), np.float32),
        None,
        CLASSES,
        advice=_said(named[LABELED]),
    )
    return train(training, embeddings[POOL], DEFAULT, 0, None, pool_advice=pool_advice)


def _accuracy(model: Model) -> float:
    embeddings, labels, named = _world()
    predicted = model.predict_proba(embeddings[TEST], _said(named[TEST])).argmax(axis=1)
    return float((predicted == labels[TEST]).mean())


def test_what_is_carried_is_that_of_a_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    embeddings, said = rng.normal(size=(50, 7)).astype(np.float32), rng.dirichlet(np.ones(3), 50).astype(np.float32)
    similar = SimilarAdvice.of(AdviceOnPool(embeddings, _said(np.zeros(50, np.int64))))
    assert similar is not None
    coef_CD, intercept_C = similar.carried(said)
    peer = Ridge(alpha=PENALTY).fit(embeddings, said)
    elsewhere = rng.normal(size=(5, 7)).astype(np.float32)
    np.testing.assert_allclose(
        elsewhere @ coef_CD.T + intercept_C, peer.predict(elsewhere) - said.mean(axis=0), atol=1e-5
    )


def test_errors_here_and_there_are_seen_beside_what_is_said_of_similar_items() -> None:
    _, labels, named = _world()
    own = float((named[TEST] == labels[TEST]).mean())
    held_against, by_itself = _accuracy(_trained(_said(named[POOL]))), _accuracy(_trained(None))
    assert held_against > own + 0.05
    assert held_against > by_itself + 0.01


def test_items_that_nothing_is_said_of_and_other_advisors_are_left_out() -> None:
    embeddings, _, named = _world()
    few = np.arange(len(POOL)) < FEWEST - 1
    said = _said(named[POOL])
    silent = AdviceFeatures(said.advisors, said.features_NF * few[:, None], few)
    by_another = _said(named[POOL], "another")
    expected = _trained(None).predict_proba(embeddings[TEST], _said(named[TEST]))
    for advice in (silent, by_another):
        np.testing.assert_array_equal(_trained(advice).predict_proba(embeddings[TEST], _said(named[TEST])), expected)

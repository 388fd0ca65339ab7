"""Pseudo-labels: their weights, and training with them."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.server.learners.candidates.logistic import LogisticSettings
from nextlabel.server.learners.candidates.pool_training import (
    NEGLIGIBLE_MASS,
    PoolRecipe,
    WeightedLabels,
    pseudo_labels,
    train_with_pool,
)
from tests.learners.blobs import Blobs

SETTINGS = LogisticSettings(5)


def _labels(blobs: Blobs, n: int) -> WeightedLabels:
    return WeightedLabels(blobs.embeddings[:n], blobs.labels[:n], np.ones(n, np.float32))


def test_weights_follow_the_squared_margin_and_sum_to_the_mass() -> None:
    probabilities = np.array([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]], np.float32)
    pseudo = pseudo_labels(np.eye(3, dtype=np.float32), probabilities, mass=4.0)
    np.testing.assert_array_equal(pseudo.labels_N, [0, 1])
    np.testing.assert_allclose(pseudo.weights_N, [4 * 0.36 / 0.4, 4 * 0.04 / 0.4], rtol=1e-5)
    np.testing.assert_array_equal(pseudo.embeddings_ND, np.eye(3)[:2])


def test_only_rows_of_negligible_weight_are_left_out() -> None:
    rng = np.random.default_rng(0)
    certain = rng.uniform(0.5, 1, 500).astype(np.float32)
    probabilities = np.stack([certain, 1 - certain], axis=1)
    pseudo = pseudo_labels(np.arange(500, dtype=np.float32)[:, None], probabilities, mass=1.0)
    weight = (2 * certain - 1) ** 2
    kept = pseudo.embeddings_ND[:, 0].astype(int)
    assert len(kept) < 500
    assert weight[kept].sum() >= (1 - NEGLIGIBLE_MASS) * weight.sum()
    assert weight[kept].min() >= np.delete(weight, kept).max()


@pytest.mark.parametrize("probabilities", [np.full((3, 2), 0.5), np.zeros((3, 2)), np.empty((0, 2))])
def test_a_pool_without_any_confidence_has_no_pseudo_labels(probabilities: np.ndarray) -> None:
    pool = np.ones((len(probabilities), 2), np.float32)
    assert len(pseudo_labels(pool, probabilities.astype(np.float32), mass=1.0)) == 0


@pytest.mark.parametrize("rounds", [1, 3])
def test_rounds_are_fits_on_labels_and_pseudo_labels(blobs: Blobs, rounds: int) -> None:
    labels, pool = _labels(blobs, 30), blobs.embeddings[100:400]
    recipe = PoolRecipe(rounds=rounds, graph=False, balance=0.5, mass=2.0)
    head = labels.fit(SETTINGS)
    flat = LogisticSettings(5, balanced=False)
    weighted = labels.balanced(5, 1.0)
    for _ in range(rounds):
        pseudo = pseudo_labels(pool, head.predict_proba(pool), recipe.mass * 30).balanced(5, 0.5)
        head = WeightedLabels(
            np.concatenate([weighted.embeddings_ND, pseudo.embeddings_ND]),
            np.concatenate([weighted.labels_N, pseudo.labels_N]),
            np.concatenate([weighted.weights_N, pseudo.weights_N]),
        ).fit(flat)
    trained = train_with_pool(labels, pool, None, recipe, SETTINGS)
    np.testing.assert_allclose(trained.predict_proba(pool), head.predict_proba(pool), atol=0.03)


def test_the_walk_vetoes_classes_it_does_not_reach(blobs: Blobs) -> None:
    labels, pool = _labels(blobs, 30), blobs.embeddings[100:400]
    never_class_0 = np.full((300, 5), 0.25, np.float32)
    never_class_0[:, 0] = 0
    recipe = PoolRecipe(rounds=1, graph=True, balance=0.0)
    vetoed = train_with_pool(labels, pool, never_class_0, recipe, SETTINGS).predict_proba(pool)
    free = train_with_pool(labels, pool, np.full((300, 5), 0.2, np.float32), recipe, SETTINGS).predict_proba(pool)
    assert vetoed[:, 0].sum() < 0.5 * free[:, 0].sum()


def test_a_walk_that_reaches_nothing_leaves_the_plain_head(blobs: Blobs) -> None:
    labels, pool = _labels(blobs, 30), blobs.embeddings[100:400]
    recipe = PoolRecipe(rounds=2, graph=True, balance=0.0)
    trained = train_with_pool(labels, pool, np.zeros((300, 5), np.float32), recipe, SETTINGS)
    np.testing.assert_allclose(trained.coef_CD, labels.fit(SETTINGS).coef_CD, atol=1e-6)

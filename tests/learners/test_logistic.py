"""The logistic regression against scikit-learn's own, and its starts."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from nextlabel.server.learners.candidates.linear import TrainedHead, combined
from nextlabel.server.learners.candidates.logistic import LogisticSettings, class_balance, fit_logistic
from tests.learners.blobs import Blobs, make_blobs


def _ones(labels: np.ndarray) -> np.ndarray:
    return np.ones(len(labels), np.float32)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_it_is_scikit_learns_solution(n_classes: int, balanced: bool) -> None:
    blobs = make_blobs(n=150, n_classes=n_classes, dimension=8, spread=1.0)
    settings = LogisticSettings(n_classes, C=3.0, balanced=balanced)
    head = fit_logistic(blobs.embeddings, blobs.labels, _ones(blobs.labels), settings)
    reference = LogisticRegression(C=3.0, class_weight="balanced" if balanced else None, tol=1e-8, max_iter=1000)
    reference.fit(blobs.embeddings.astype(np.float64), blobs.labels)
    expected = reference.predict_proba(blobs.embeddings.astype(np.float64))
    np.testing.assert_allclose(head.predict_proba(blobs.embeddings), expected, atol=2e-3)


def test_classes_without_labels_get_probability_zero(blobs: Blobs) -> None:
    rows = np.flatnonzero(np.isin(blobs.labels, [1, 3]))[:40]
    settings = LogisticSettings(5)
    head = fit_logistic(blobs.embeddings[rows], blobs.labels[rows], _ones(rows), settings)
    probabilities = head.predict_proba(blobs.embeddings)
    assert (probabilities[:, [0, 2, 4]] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert head.is_seen.tolist() == [False, True, False, True, False]


@pytest.mark.parametrize(("seen", "expected"), [([], [1 / 3] * 3), ([1], [0, 1, 0]), ([0, 2], [0.5, 0, 0.5])])
def test_constant_heads(seen: list[int], expected: list[float]) -> None:
    head = TrainedHead.constant(3, 4, np.array(seen, int))
    probabilities = head.predict_proba(np.ones((2, 4), np.float32))
    np.testing.assert_array_equal(probabilities, np.array([expected, expected], np.float32))


def test_heads_add_up_to_one_and_a_class_is_up_to_those_that_know_it(blobs: Blobs) -> None:
    settings = LogisticSettings(5)
    two = np.flatnonzero(np.isin(blobs.labels, [1, 3]))[:40]
    three = np.flatnonzero(np.isin(blobs.labels, [1, 2, 3]))[40:90]
    heads = [fit_logistic(blobs.embeddings[rows], blobs.labels[rows], _ones(rows), settings) for rows in (two, three)]
    found = combined(heads, [0.5, 1.5])
    first, second = (head.logits(blobs.embeddings) for head in heads)
    logits = found.logits(blobs.embeddings)
    np.testing.assert_allclose(logits[:, [1, 3]], (0.5 * first + 1.5 * second)[:, [1, 3]], atol=1e-4)
    np.testing.assert_allclose(logits[:, 2], 2 * second[:, 2], atol=1e-4)
    assert found.is_seen.tolist() == [False, True, True, True, False]
    alone = combined(heads[:1], [3.0])
    np.testing.assert_allclose(alone.coef_CD, heads[0].sharpened(3).coef_CD, rtol=1e-6)
    np.testing.assert_allclose(alone.intercept_C, heads[0].sharpened(3).intercept_C, rtol=1e-6)


@pytest.mark.parametrize("before", [[0, 1], [0, 1, 2], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("now", [[0, 1], [0, 1, 2, 3, 4]])
def test_a_start_changes_the_way_and_not_the_solution(blobs: Blobs, before: list[int], now: list[int]) -> None:
    settings = LogisticSettings(5)
    earlier = np.flatnonzero(np.isin(blobs.labels, before))[:60]
    start = fit_logistic(blobs.embeddings[earlier], blobs.labels[earlier], _ones(earlier), settings)
    rows = np.flatnonzero(np.isin(blobs.labels, now))[:120]
    arguments = (blobs.embeddings[rows], blobs.labels[rows], _ones(rows), settings)
    np.testing.assert_allclose(
        fit_logistic(*arguments, start=start).predict_proba(blobs.embeddings),
        fit_logistic(*arguments).predict_proba(blobs.embeddings),
        atol=0.02,
    )


def test_balance_gives_every_class_the_same_total_and_keeps_the_sum() -> None:
    labels = np.array([0, 0, 0, 2, 2, 4])
    weights = np.array([1, 2, 3, 0.5, 0.5, 1], np.float32)
    balanced = class_balance(labels, weights, 5)
    totals = np.bincount(labels, balanced, minlength=5)
    np.testing.assert_allclose(totals, [8 / 3, 0, 8 / 3, 0, 8 / 3], rtol=1e-6)
    np.testing.assert_allclose(balanced[:3] / balanced[0], weights[:3], rtol=1e-6)

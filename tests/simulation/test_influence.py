"""Test items: how much of a curve is owed to their choice."""

import numpy as np
import pytest

from nextlabel.server.simulation.influence import (
    accuracy_influence,
    macro_f1_influence,
    moved_by_other_tests,
)


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    classes = np.union1d(labels, predicted)
    named = np.array([np.sum(labels == c) + np.sum(predicted == c) for c in classes])
    return float(np.mean([2 * np.sum((labels == c) & (predicted == c)) for c in classes] / named))


@pytest.fixture
def predictions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels_M = rng.choice(4, 400, p=[0.6, 0.2, 0.15, 0.05])
    guessed_PM = rng.choice(4, (2, 400), p=[0.6, 0.2, 0.15, 0.05])
    return labels_M, np.where(rng.random((2, 400)) < [[0.5], [0.8]], labels_M, guessed_PM)


def test_curves_move_as_under_the_bootstrap_of_test_items(predictions: tuple[np.ndarray, np.ndarray]) -> None:
    labels_M, predicted_PM = predictions
    rng = np.random.default_rng(4)
    resampled = []
    for _ in range(150):
        items = rng.integers(0, 400, 400)
        resampled.append(
            [
                score(labels_M[items], predicted_PM[point, items])
                for score in (lambda true, said: float(np.mean(true == said)), macro_f1)
                for point in (0, 1)
            ]
        )
    influence_MP = np.hstack([accuracy_influence(labels_M, predicted_PM), macro_f1_influence(labels_M, predicted_PM)])
    moved_BP = moved_by_other_tests(influence_MP)
    np.testing.assert_allclose(moved_BP.std(axis=0), np.std(resampled, axis=0), rtol=0.2)
    np.testing.assert_allclose(np.corrcoef(moved_BP.T), np.corrcoef(np.transpose(resampled)), atol=0.2)
    np.testing.assert_allclose(influence_MP.mean(axis=0), 0, atol=1e-12)


def test_without_items_nothing_moves() -> None:
    assert not moved_by_other_tests(np.zeros((0, 3))).any()

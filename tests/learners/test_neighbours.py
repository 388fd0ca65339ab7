"""The neighbour graph and the walk over it against direct definitions."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.server.learners.candidates import neighbours
from nextlabel.server.learners.candidates.neighbours import FROM_NEIGHBOURS, NEIGHBOURS, neighbour_graph, walk
from tests.learners.blobs import Blobs, make_blobs


def _dense_graph(embeddings: np.ndarray) -> np.ndarray:
    n = len(embeddings)
    weights = np.zeros((n, n))
    for i in range(n):
        similarity = embeddings @ embeddings[i]
        similarity[i] = -np.inf
        for j in np.argsort(-similarity)[: min(NEIGHBOURS, n - 1)]:
            weights[i, j] = weights[j, i] = max(similarity[j], 0)
    degree = weights.sum(axis=1)
    return np.asarray(weights / np.sqrt(np.outer(degree, degree)))


@pytest.mark.parametrize("n", [2, 10, 90])
def test_the_graph_is_its_definition(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", 32)
    embeddings = np.abs(make_blobs(n=n, n_classes=2, dimension=6, spread=1.0).embeddings)
    np.testing.assert_allclose(neighbour_graph(embeddings * 3).toarray(), _dense_graph(embeddings), atol=1e-5)


def test_the_walk_converges_to_the_closed_form(blobs: Blobs) -> None:
    graph = neighbour_graph(blobs.embeddings[:200])
    rows = np.array([0, 1, 2, 3, 4, 17])
    labels = blobs.labels[rows]
    seeds = np.zeros((200, 5))
    seeds[rows, labels] = 1 / np.bincount(labels)[labels]
    closed = np.linalg.solve(np.eye(200) - FROM_NEIGHBOURS * graph.toarray(), seeds)
    closed /= closed.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(walk(graph, rows, labels, np.ones(6, np.float32), 5), closed, atol=2e-3)


def test_a_label_given_twice_to_a_row_counts_twice() -> None:
    graph = neighbour_graph(np.eye(4, dtype=np.float32) + np.float32(0.1))
    reached = walk(graph, np.array([0, 0, 0]), np.array([0, 1, 1]), np.ones(3, np.float32), 2)
    np.testing.assert_allclose(reached[0], [0.5, 0.5], atol=1e-5)


def test_labels_seed_by_their_weight_within_their_class() -> None:
    graph = neighbour_graph(np.eye(3, dtype=np.float32) + np.float32(0.1))
    reached = walk(graph, np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1, 0.1, 0.9], np.float32), 2)
    assert reached[0, 0] > reached[0, 1]
    assert reached[1, 1] > reached[1, 0]


def test_rows_no_label_reaches_get_zero() -> None:
    left, right = np.array([[1, 0], [1, 0.01]], np.float32), np.array([[0, 1], [0.01, 1]], np.float32)
    graph = neighbour_graph(np.concatenate([left, -left, right]))
    reached = walk(graph, np.array([0]), np.array([1]), np.ones(1, np.float32), 2)
    np.testing.assert_allclose(reached[:2], [[0, 1], [0, 1]], atol=1e-6)
    np.testing.assert_array_equal(reached[2:4], 0)

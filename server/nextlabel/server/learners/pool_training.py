"""Ways to learn from the pool itself: self-training and label propagation, both distilled into a linear head.

Both label a sample of the pool, weight every pseudo-label by its squared margin, and fit the head again on labels
and pseudo-labels together. They differ in where the pseudo-labels come from: the head itself (self-training,
Scudder 1965; confidence weights after Lee 2013) or a walk over a graph of near neighbours (Zhou et al. 2004,
"Learning with Local and Global Consistency"), which helps where classes are topics and harms where they are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nextlabel.server.learners.linear import LinearHead, margins
from nextlabel.server.learners.logistic import LogisticSettings, fit_logistic

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

PSEUDO_LABEL_MASS = 5.0  # total weight of the pseudo-labels, as a multiple of that of the labels
NEIGHBOURS = 15
PROPAGATION = 0.8  # share of a row's label that comes from its neighbours, the alpha of Zhou et al.
PROPAGATION_STEPS = 40
GRAPH_BLOCK_ROWS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Weighted labels: float32 (N, D) embeddings, int64 (N,) class indexes, float32 (N,) weights."""

    embeddings_ND: Float32
    labels_N: Int64
    weights_N: Float32

    def __len__(self) -> int:
        return len(self.labels_N)

    def take(self, rows_n: Int64) -> Labels:
        """The labels of these rows."""
        return Labels(self.embeddings_ND[rows_n], self.labels_N[rows_n], self.weights_N[rows_n])

    def fit(self, settings: LogisticSettings, start: LinearHead | None = None) -> LinearHead:
        """A head on these labels alone."""
        return fit_logistic(self.embeddings_ND, self.labels_N, self.weights_N, settings, start)


def self_train(
    labels: Labels, pool_MD: Float32, settings: LogisticSettings, rounds: int, start: LinearHead | None = None
) -> LinearHead:
    """Fits on the labels, labels the pool with the result, fits on both, and repeats that `rounds` times."""
    head = labels.fit(settings, start)
    for _ in range(rounds):
        head = distil(labels, pool_MD, head.predict_proba(pool_MD), settings, head)
    return head


def distil(
    labels: Labels,
    pool_MD: Float32,
    probabilities_MC: Float32,
    settings: LogisticSettings,
    start: LinearHead | None = None,
) -> LinearHead:
    """Fits on the labels and the pool's most probable classes, weighted by the square of their margin."""
    confidence_M = margins(probabilities_MC) ** 2
    total = float(confidence_M.sum())
    if total == 0:
        return labels.fit(settings, start)
    mass = PSEUDO_LABEL_MASS * float(labels.weights_N.sum())
    together = Labels(
        np.concatenate([labels.embeddings_ND, pool_MD]),
        np.concatenate([labels.labels_N, probabilities_MC.argmax(axis=1)]),
        np.concatenate([labels.weights_N, confidence_M * np.float32(mass / total)]),
    )
    return together.fit(settings, start)


def neighbour_graph(embeddings_ND: Float32) -> sparse.csr_array:
    """The symmetric k-nearest-neighbour graph by cosine, normalised by degree: ``D^-1/2 W D^-1/2``, (N, N)."""
    n = len(embeddings_ND)
    k = min(NEIGHBOURS, n - 1)
    near_Nk = np.empty((n, k), np.int64)
    weight_Nk = np.empty((n, k), np.float32)
    for first in range(0, n, GRAPH_BLOCK_ROWS):
        block = slice(first, min(first + GRAPH_BLOCK_ROWS, n))
        similarity_bN = embeddings_ND[block] @ embeddings_ND.T
        similarity_bN[np.arange(block.stop - first), np.arange(first, block.stop)] = -np.inf
        near_Nk[block] = np.argpartition(similarity_bN, n - k, axis=1)[:, n - k :]
        weight_Nk[block] = np.maximum(np.take_along_axis(similarity_bN, near_Nk[block], axis=1), 0)
    directed = sparse.csr_array((weight_Nk.ravel(), near_Nk.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    adjacency = directed.maximum(directed.T)
    degree = np.maximum(np.asarray(adjacency.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
    scale = sparse.diags_array((1 / np.sqrt(degree)).astype(np.float32))
    return sparse.csr_array(scale @ adjacency @ scale)


def propagate(graph: sparse.csr_array, labels_n: Int64, rows_n: Int64, n_classes: int) -> Float32:
    """Spreads the labels of some rows over the graph.

    Every class starts with the same total, so that a frequent one does not flood the graph.

    Args:
        graph: of `neighbour_graph`, (N, N).
        labels_n: class indexes of the labeled rows ``rows_n``.

    Returns:
        (N, C) float32, rows summing to 1, or to 0 where no label reaches.
    """
    seeds = np.zeros((graph.shape[0], n_classes), np.float32)
    seeds[rows_n, labels_n] = 1 / np.bincount(labels_n, minlength=n_classes)[labels_n]
    spread = seeds
    for _ in range(PROPAGATION_STEPS):
        spread = PROPAGATION * (graph @ spread) + (1 - PROPAGATION) * seeds
    return np.asarray(spread / np.maximum(spread.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny), np.float32)

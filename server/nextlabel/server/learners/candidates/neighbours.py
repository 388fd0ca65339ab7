"""A walk over a graph of near neighbours, which carries labels into the pool.

Zhou, Bousquet, Lal, Weston and Schölkopf (2004), "Learning with Local and Global Consistency".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

NEIGHBOURS = 15
FROM_NEIGHBOURS = 0.8  # share of a row's label that comes from its neighbours, the alpha of the paper
STEPS = 40  # 0.8^40 = 1e-4 of the walk is left
BLOCK_ROWS = 1024  # bounds the similarities held at once to 1024 · N


def neighbour_graph(embeddings_ND: Float32) -> sparse.csr_array:
    """The symmetric graph of the 15 nearest neighbours by cosine, normalised by degree: ``D^-1/2 W D^-1/2``.

    Returns:
        (N, N) float32, sparse.
    """
    lengths = np.linalg.norm(embeddings_ND, axis=1, keepdims=True)
    unit_ND = embeddings_ND / np.maximum(lengths, np.finfo(np.float32).tiny)
    n = len(unit_ND)
    k = min(NEIGHBOURS, n - 1)
    near_Nk = np.empty((n, k), np.int64)
    weight_Nk = np.empty((n, k), np.float32)
    for first in range(0, n, BLOCK_ROWS):
        block = slice(first, min(first + BLOCK_ROWS, n))
        similarity_bN = unit_ND[block] @ unit_ND.T
        similarity_bN[np.arange(block.stop - first), np.arange(first, block.stop)] = -np.inf
        near_Nk[block] = np.argpartition(similarity_bN, n - k, axis=1)[:, n - k :]
        weight_Nk[block] = np.maximum(np.take_along_axis(similarity_bN, near_Nk[block], axis=1), 0)
    directed = sparse.csr_array((weight_Nk.ravel(), near_Nk.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    adjacency = directed.maximum(directed.T)
    degree = np.maximum(np.asarray(adjacency.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
    scale = sparse.diags_array((1 / np.sqrt(degree)).astype(np.float32))
    return sparse.csr_array(scale @ adjacency @ scale)


def walk(graph: sparse.csr_array, rows_n: Int64, labels_n: Int64, weights_n: Float32, n_classes: int) -> Float32:
    """Class probabilities of every row of a graph from the labels of a few.

    Every class starts with the same total, so that a frequent one does not flood the graph.

    Args:
        graph: of `neighbour_graph`, (N, N).
        rows_n: the labeled rows; a row with a soft label occurs once a class.
        labels_n: their class indexes.
        weights_n: how much each counts within its class.

    Returns:
        (N, C) float32, rows summing to 1, or to 0 where no label reaches.
    """
    seeds = np.zeros((graph.shape[0], n_classes), np.float32)
    np.add.at(seeds, (rows_n, labels_n), weights_n / np.bincount(labels_n, weights_n, n_classes)[labels_n])
    reached = seeds
    for _ in range(STEPS):
        reached = np.float32(FROM_NEIGHBOURS) * (graph @ reached) + np.float32(1 - FROM_NEIGHBOURS) * seeds
    return np.asarray(reached / np.maximum(reached.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny))

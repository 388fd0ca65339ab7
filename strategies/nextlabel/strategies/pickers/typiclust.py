"""TypiClust: the most typical row of each cluster that has no label yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact, Floats, Rows
from nextlabel.strategies.arithmetic.exact import on_grid
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.passes.kmeans import kmeans
from nextlabel.strategies.pickers.distances import all_embeddings

SMALL_CLUSTER = 5
"""Clusters of at most this many rows come after all larger ones, as in the paper."""


@dataclass(frozen=True, slots=True)
class TypiClust:
    """Typical rows of uncovered clusters (Hacohen et al. 2022, arXiv 2202.02794).

    Labeled and candidate rows are clustered into labels + k clusters; clusters with the fewest labels
    come first, larger ones before smaller; of each the row with the smallest mean distance to its
    nearest neighbours in the cluster is picked.

    Attributes:
        neighbors: neighbours that measure typicality.
        max_clusters: cap on the number of clusters.
        iterations: Lloyd iterations.
    """

    neighbors: int = 20
    max_clusters: int = 500
    iterations: int = 10

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings; it starts without labels."""
        return frozenset({Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k, cluster after cluster."""
        embeddings_mD = all_embeddings(candidates)
        labeled_LD = context.labeled_embeddings
        points = np.concatenate([embeddings_mD, on_grid(labeled_LD)]) if len(labeled_LD) else embeddings_mD
        n_clusters = min(len(labeled_LD) + k, max(self.max_clusters, k), len(points))
        labels = kmeans(points, n_clusters, rng, iterations=self.iterations).labels_m
        own_m = labels[: len(embeddings_mD)]
        covered = np.bincount(labels[len(embeddings_mD) :], minlength=n_clusters)
        left = np.bincount(own_m, minlength=n_clusters)
        remaining = _by_cluster(own_m, n_clusters)
        ranked: dict[int, list[int]] = {}
        picked: list[int] = []
        while len(picked) < k:
            cluster = _neediest(covered, left)
            if cluster not in ranked:
                members = remaining[cluster]
                ranked[cluster] = members[
                    np.argsort(-typicality(points[members], self.neighbors), kind="stable")
                ].tolist()
            picked.append(ranked[cluster].pop(0))
            covered[cluster] += 1
            left[cluster] -= 1
        return Picks(np.asarray(picked, np.int64))


def typicality(points_nD: Exact, neighbors: int) -> Floats:
    """Return 1 / mean distance to the nearest neighbours within these points, shape (n,)."""
    norms = np.einsum("nd,nd->n", points_nD, points_nD)
    typical = np.empty(len(points_nD), np.float32)
    used = min(neighbors, len(points_nD) - 1)
    chunk = 1024
    for start in range(0, len(points_nD), chunk):
        part = slice(start, start + chunk)
        squared = norms[part, None] + norms - 2 * (points_nD[part] @ points_nD.T)
        # Sorted, because a sum depends on its order and the order that a partition leaves on the processor.
        nearest = np.sort(np.partition(np.maximum(squared, 0), used, axis=1)[:, : used + 1], axis=1)
        # The row itself is among them at distance 0 and adds nothing to the sum.
        typical[part] = used / np.maximum(np.sqrt(nearest).sum(axis=1), np.float32(1e-6)) if used else 1.0
    return typical


def _by_cluster(labels_m: Rows, n_clusters: int) -> list[Rows]:
    order = np.argsort(labels_m, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels_m, minlength=n_clusters))[:-1])


def _neediest(covered: Rows, left: Rows) -> int:
    """Return the cluster with rows left that has fewest labels; small ones last, then larger first."""
    order = np.lexsort((-left, covered, left + covered <= SMALL_CLUSTER))
    return int(order[np.argmax(left[order] > 0)])

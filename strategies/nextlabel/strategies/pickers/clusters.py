"""Diversity by clustering the shortlist: weighted k-means, cluster-margin, DropQuery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact, Rows
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.passes.kmeans import ROWS, kmeans
from nextlabel.strategies.pickers.distances import all_embeddings
from nextlabel.strategies.pickers.top import best_positions


@dataclass(frozen=True, slots=True)
class KMeans:
    """k clusters of the shortlist; of each the row nearest to its center (Zhdanov 2019, 1901.05954).

    Attributes:
        weighted: weigh rows by ``offset`` + score, so that centers move to what is uncertain.
        offset: lifts scores that start below 0 (1 for the margin).
    """

    weighted: bool = False
    offset: float = 1.0

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings."""
        return frozenset({Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k, one a cluster."""
        embeddings_mD = all_embeddings(candidates)
        weights_m = None
        if self.weighted:
            if candidates.scores_m is None:
                raise ParameterError("picker 'kmeans' weighs by score and needs a scorer; compose it with one")
            weights_m = np.maximum(self.offset + candidates.scores_m, np.float32(1e-6))
        centers_kD = kmeans(embeddings_mD, k, rng, weights_m).centers_kD
        return Picks(nearest_to_each(embeddings_mD, centers_kD))


@dataclass(frozen=True, slots=True)
class ClusterMargin:
    """Round-robin over clusters of the lowest margins, small clusters first (Citovsky et al. 2021, 2107.14263).

    Average-linkage clusters are made of the shortlist in each round; the paper clusters the whole pool
    once, with a distance threshold.

    Attributes:
        clusters_per_pick: number of clusters = this times k.
    """

    clusters_per_pick: float = 1.5

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings; the scorer brings its own needs."""
        return frozenset({Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k by rounds that take a random row of each cluster."""
        if len(candidates) == k:
            return Picks(np.arange(k, dtype=np.int64))
        labels_m = average_linkage(all_embeddings(candidates), max(1, round(self.clusters_per_pick * k)))
        members = [rng.permutation(np.flatnonzero(labels_m == label)) for label in np.unique(labels_m)]
        members.sort(key=lambda rows: (len(rows), int(rows.min())))
        depth = max(map(len, members))
        rounds = [int(rows[turn]) for turn in range(depth) for rows in members if turn < len(rows)]
        return Picks(np.asarray(rounds[:k], np.int64))


@dataclass(frozen=True, slots=True)
class DropQuery:
    """k-means over the rows whose prediction flips in more than half of the dropout passes.

    Gupte et al. 2024, arXiv 2401.14555; scores come from DropInconsistency. When fewer than k rows flip,
    the highest scores fill up.

    Attributes:
        passes: dropout passes of the scorer.
    """

    passes: int = 3

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings; the scorer brings its own needs."""
        return frozenset({Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k, one a cluster."""
        if candidates.scores_m is None:
            raise ParameterError("picker 'dropquery' needs the scorer DropInconsistency; compose it with that")
        flipping = np.flatnonzero(np.floor(candidates.scores_m) > self.passes / 2)
        if len(flipping) <= k:
            return Picks(best_positions(candidates, candidates.scores_m, k))
        embeddings_fD = all_embeddings(candidates)[flipping]
        return Picks(flipping[nearest_to_each(embeddings_fD, kmeans(embeddings_fD, k, rng).centers_kD)])


def nearest_to_each(points_mD: Exact, centers_kD: Exact) -> Rows:
    """Return for every center the nearest point that no earlier center took, shape (k,)."""
    norms_m = np.einsum("md,md->m", points_mD, points_mD)
    taken = np.zeros(len(points_mD), np.bool_)
    chosen = np.empty(len(centers_kD), np.int64)
    chunk = max(1, ROWS * ROWS // max(1, len(points_mD)))
    for start in range(0, len(centers_kD), chunk):
        distances = norms_m - 2 * (centers_kD[start : start + chunk] @ points_mD.T)
        for index, distances_m in enumerate(distances, start):
            distances_m[taken] = np.inf
            chosen[index] = np.argmin(distances_m)
            taken[chosen[index]] = True
    return chosen


def average_linkage(points_mD: Exact, clusters: int) -> Rows:
    """Return average-linkage cluster labels, shape (m,); memory m^2 / 2 float64."""
    from scipy.cluster.hierarchy import fcluster, linkage

    tree = linkage(points_mD, method="average")
    return np.asarray(fcluster(tree, t=min(clusters, len(points_mD)), criterion="maxclust"), np.int64)

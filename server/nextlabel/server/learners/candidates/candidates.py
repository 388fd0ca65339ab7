"""The estimators among which cross-validation chooses, all ending in one linear head."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nextlabel.server.learners.candidates.description import LearnerCandidate
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.candidates.logistic import LogisticSettings
from nextlabel.server.learners.candidates.neighbours import neighbour_graph, walk
from nextlabel.server.learners.candidates.pool_training import PoolRecipe, WeightedLabels, train_with_pool

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


RECIPES: Mapping[LearnerCandidate, PoolRecipe] = MappingProxyType(
    {
        LearnerCandidate.SELF_TRAINING: PoolRecipe(rounds=3, graph=False, balance=0.5),
        LearnerCandidate.AGREEMENT: PoolRecipe(rounds=3, graph=True, balance=0.0),
        LearnerCandidate.BALANCED_AGREEMENT: PoolRecipe(rounds=3, graph=True, balance=1.0),
    }
)
"""The recipes that did best in `docs/evidence/learner.md`; the plain candidate leaves the pool alone."""


class CandidateFitter:
    """Fits any candidate on any part of the labels, sharing the neighbour graph between the fits.

    Args:
        labels: all labels, soft ones already spread over rows.
        clamped_N: which rows may seed the walk over the graph: the trusted ones.
        pool_MD: a bounded sample of the pool.
    """

    def __init__(self, labels: WeightedLabels, clamped_N: Bool, pool_MD: Float32, settings: LogisticSettings) -> None:
        self._labels = labels
        self._clamped_N = clamped_N
        self._pool_MD = pool_MD
        self._settings = settings

    @cached_property
    def _graph(self) -> sparse.csr_array:
        clamped = self._labels.embeddings_ND[self._clamped_N]
        return neighbour_graph(np.concatenate([clamped, self._pool_MD]))

    def fit(self, candidate: LearnerCandidate, rows_n: Int64, start: TrainedHead | None = None) -> TrainedHead:
        """Fits on the labels in ``rows_n`` (and the pool); the other labels are as if unknown."""
        labels = self._labels.take(rows_n)
        if candidate is LearnerCandidate.PLAIN or len(self._pool_MD) == 0:
            return labels.fit(self._settings, start)
        recipe = RECIPES[candidate]
        walk_MC = self._walk(rows_n) if recipe.graph else None
        return train_with_pool(labels, self._pool_MD, walk_MC, recipe, self._settings, start)

    def _walk(self, rows_n: Int64) -> Float32:
        seeds_n = rows_n[self._clamped_N[rows_n]]
        node_N = np.cumsum(self._clamped_N) - 1
        labels_n = self._labels.labels_N[seeds_n]
        probabilities = walk(self._graph, node_N[seeds_n], labels_n, self._settings.n_classes)
        return probabilities[len(probabilities) - len(self._pool_MD) :]

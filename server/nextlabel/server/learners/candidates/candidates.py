"""The estimators among which cross-validation chooses, all ending in one linear head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nextlabel.server.learners.candidates.description import CandidatePart, LearnerCandidate
from nextlabel.server.learners.candidates.linear import TrainedHead, combined
from nextlabel.server.learners.candidates.logistic import LogisticSettings
from nextlabel.server.learners.candidates.neighbours import neighbour_graph, walk
from nextlabel.server.learners.candidates.pool_training import PoolRecipe, WeightedLabels, train_with_pool

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

MAX_SEEDS = 5_000  # labeled items in the graph, so that its cost does not grow with the labels


RECIPES: Mapping[LearnerCandidate, PoolRecipe] = MappingProxyType(
    {
        LearnerCandidate.SELF_TRAINING: PoolRecipe(rounds=3, graph=False, balance=0.5),
        LearnerCandidate.AGREEMENT: PoolRecipe(rounds=3, graph=True, balance=0.0),
        LearnerCandidate.BALANCED_AGREEMENT: PoolRecipe(rounds=3, graph=True, balance=1.0),
    }
)
"""The recipes that did best in `docs/evidence/learner.md`; the plain candidate leaves the pool alone."""


class CandidateFitter:
    """Fits any candidate on any part of the items, sharing the neighbour graph between the fits.

    Args:
        labels: all labels, soft ones already spread over rows.
        item_R: the item that each row of the labels belongs to, in [0, N), ascending; every item has a row.
        pool_MD: a bounded sample of the pool.
        described: examples of the classes from the label space itself, for fits that use them.
    """

    def __init__(
        self,
        labels: WeightedLabels,
        item_R: Int64,
        pool_MD: Float32,
        settings: LogisticSettings,
        described: WeightedLabels | None = None,
    ) -> None:
        self._described = labels.take(np.arange(0)) if described is None else described
        self._labels = labels.joined(self._described)
        self._item_R = np.concatenate([item_R, -1 - np.arange(len(self._described))])
        self._pool_MD = pool_MD
        self._settings = settings

    def fit(
        self, candidate: LearnerCandidate, items_n: Int64, start: TrainedHead | None = None, *, described: bool = False
    ) -> TrainedHead:
        """Fits on the items in ``items_n`` (and the pool); the labels of the others are as if unknown."""
        known = np.isin(self._item_R, items_n)
        rows = np.flatnonzero(known | (self._item_R < 0) if described else known)
        labels = self._labels.take(rows)
        if candidate is LearnerCandidate.PLAIN or len(self._pool_MD) == 0:
            return labels.fit(self._settings, start)
        recipe = RECIPES[candidate]
        walk_MC = self._walk(rows) if recipe.graph else None
        return train_with_pool(labels, self._pool_MD, walk_MC, recipe, self._settings, start)

    def fit_all(self, parts: Sequence[CandidatePart], items_n: Int64, start: TrainedHead | None = None) -> TrainedHead:
        """Fits all parts of a head on the items in ``items_n`` and adds them up."""
        heads = [self.fit(part.candidate, items_n, start, described=part.described) for part in parts]
        return combined(heads, [part.factor for part in parts])

    @cached_property
    def _nodes(self) -> Int64:
        """The node of the graph that each of the R rows of the labels is, -1 for items that are left out of it."""
        _, first, item_R = np.unique(self._item_R, return_index=True, return_inverse=True)
        weight = np.bincount(item_R, self._labels.weights_N)
        weight[: len(self._described)] = np.inf
        heaviest = np.argsort(-weight, kind="stable")[: MAX_SEEDS + len(self._described)]
        node_N = np.full(len(first), -1)
        node_N[np.sort(heaviest)] = np.arange(len(heaviest))
        return node_N[item_R]

    @cached_property
    def _graph(self) -> sparse.csr_array:
        _, first = np.unique(self._nodes, return_index=True)
        nodes = first[self._nodes[first] >= 0]
        return neighbour_graph(np.concatenate([self._labels.embeddings_ND[nodes], self._pool_MD]))

    def _walk(self, rows_n: Int64) -> Float32:
        seeds = rows_n[self._nodes[rows_n] >= 0]
        probabilities = walk(
            self._graph,
            self._nodes[seeds],
            self._labels.labels_N[seeds],
            self._labels.weights_N[seeds],
            self._settings.n_classes,
        )
        return probabilities[len(probabilities) - len(self._pool_MD) :]

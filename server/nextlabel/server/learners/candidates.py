"""The estimators among which cross-validation chooses, all ending in one linear head."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nextlabel.server.learners.linear import LinearHead
from nextlabel.server.learners.logistic import LogisticSettings
from nextlabel.server.learners.pool_training import Labels, distil, neighbour_graph, propagate, self_train

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


class Candidate(StrEnum):
    """A way to turn labels and a pool sample into a head, from the simplest to the boldest."""

    PLAIN = "plain"
    SELF_TRAINING_1 = "self_training_1"
    SELF_TRAINING_3 = "self_training_3"
    PROPAGATION = "propagation"


SELF_TRAINING_ROUNDS = {Candidate.SELF_TRAINING_1: 1, Candidate.SELF_TRAINING_3: 3}


class CandidateFitter:
    """Fits any candidate on any part of the labels, sharing the neighbour graph between the fits.

    Args:
        labels: all labels, soft ones already spread over rows.
        clamped_N: which rows may seed propagation: the trusted ones.
        pool_MD: a bounded sample of the pool.
    """

    def __init__(self, labels: Labels, clamped_N: Bool, pool_MD: Float32, settings: LogisticSettings) -> None:
        self._labels = labels
        self._clamped_N = clamped_N
        self._pool_MD = pool_MD
        self._settings = settings

    @cached_property
    def _graph(self) -> sparse.csr_array:
        return neighbour_graph(np.concatenate([self._labels.embeddings_ND, self._pool_MD]))

    def fit(self, candidate: Candidate, rows_n: Int64, start: LinearHead | None = None) -> LinearHead:
        """Fits on the labels in ``rows_n`` (and the pool); the other labels are as if unknown."""
        labels = self._labels.take(rows_n)
        if candidate is Candidate.PLAIN or len(self._pool_MD) == 0:
            return labels.fit(self._settings, start)
        if candidate is Candidate.PROPAGATION:
            return distil(labels, self._pool_MD, self._propagated(rows_n), self._settings, start)
        return self_train(labels, self._pool_MD, self._settings, SELF_TRAINING_ROUNDS[candidate], start)

    def _propagated(self, rows_n: Int64) -> Float32:
        seeds_n = rows_n[self._clamped_N[rows_n]]
        spread = propagate(self._graph, self._labels.labels_N[seeds_n], seeds_n, self._settings.n_classes)
        return spread[len(self._labels) :]

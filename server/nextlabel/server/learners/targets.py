"""From a training set to weighted hard labels, the form every estimator takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.pool_training import WeightedLabels
from nextlabel.server.learners.training import TrainingSet

MAX_CLASSES_A_SOFT_LABEL = 5
UNTRUSTED_WEIGHT = 0.3
"""What an untrusted label counts at most beside a trusted one. Where all are untrusted it is a stronger penalty: with a
fifth of the labels wrong C = 3 is better than 10 (`docs/evidence/learner.md`)."""


def counted(trusted_N: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what each label counts, (N,)."""
    return np.where(trusted_N, 1.0, UNTRUSTED_WEIGHT)


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Weighted labels of items.

    Attributes:
        labels: R rows, several for an item with a soft label, none for one whose label says nothing.
        item_R: the item of each row, ascending, among those that have one.
        shares_NC: what the label of each of these items says, its weight spread over classes; sums above 0.
        rows_N: where these items are in the training set.
        trusted_N: which of these items have a trusted label.
    """

    labels: WeightedLabels
    item_R: NDArray[np.int64]
    shares_NC: NDArray[np.float32]
    rows_N: NDArray[np.int64]
    trusted_N: NDArray[np.bool_]

    def believed(self, belief: float) -> Targets:
        """The same where labels that are not trusted count only this part of what they do, in (0, 1]."""
        if belief == 1 or self.trusted_N.all():
            return self
        factor_N = np.where(self.trusted_N, 1, belief).astype(np.float32)
        labels = replace(self.labels, weights_N=self.labels.weights_N * factor_N[self.item_R])
        return replace(self, labels=labels, shares_NC=self.shares_NC * factor_N[:, None])

    def take(self, items_n: NDArray[np.int64]) -> Targets:
        """The targets of these items, in this order."""
        embeddings_nD = self.labels.embeddings_ND[np.searchsorted(self.item_R, items_n)]
        return _spread(embeddings_nD, self.shares_NC[items_n], self.rows_N[items_n], self.trusted_N[items_n])


def targets_of(training: TrainingSet) -> Targets:
    """Spreads every soft label over its few most probable classes.

    The cross-entropy against a distribution is the probability-weighted sum of the cross-entropies against its
    classes. What a distribution gives to all classes alike tells none from another and is left out, so that a
    probability of .35 among ten classes counts as .28 of a label and one of .1 as nothing; of the rest the 5 most
    probable classes are kept. Trusted rows are taken at their word and count in full, others `UNTRUSTED_WEIGHT`.
    """
    n = len(training.labels_N)
    shares = np.zeros((n, training.n_classes), np.float32)
    soft = training.probabilities_NC
    if soft is not None and training.n_classes > 1:
        shares[:] = soft - soft.min(axis=1, keepdims=True)
        if training.n_classes > MAX_CLASSES_A_SOFT_LABEL:
            cut = np.partition(shares, -MAX_CLASSES_A_SOFT_LABEL, axis=1)[:, -MAX_CLASSES_A_SOFT_LABEL, None]
            shares[shares < cut] = 0
    literal = np.flatnonzero(training.trusted_N | (soft is None) | (training.n_classes == 1))
    shares[literal] = 0
    shares[literal, training.labels_N[literal]] = 1
    shares *= (training.weights_N * counted(training.trusted_N))[:, None]
    telling = np.flatnonzero(shares.sum(axis=1) > 0)
    return _spread(training.embeddings_ND[telling], shares[telling], telling, training.trusted_N[telling])


def _spread(
    embeddings_ND: NDArray[np.float32],
    shares_NC: NDArray[np.float32],
    rows_N: NDArray[np.int64],
    trusted_N: NDArray[np.bool_],
) -> Targets:
    items, classes = np.nonzero(shares_NC)
    labels = WeightedLabels(embeddings_ND[items], classes, shares_NC[items, classes])
    return Targets(labels, items, shares_NC, rows_N, trusted_N)

"""From a training set to weighted hard labels, the form every estimator takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.pool_training import WeightedLabels
from nextlabel.server.learners.training import TrainingSet

MAX_CLASSES_A_SOFT_LABEL = 5


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Weighted labels and which of them are trusted, (R,); R is above N where soft labels were spread."""

    labels: WeightedLabels
    trusted_R: NDArray[np.bool_]


def targets_of(training: TrainingSet) -> Targets:
    """Spreads every soft label over its few most probable classes, weighted by their probabilities.

    The cross-entropy against a distribution is the probability-weighted sum of the cross-entropies against its
    classes, so this is exact but for the tail cut off (all but the 5 most probable classes of a row), whose share
    goes to the classes kept. Trusted rows keep their label.
    """
    if training.probabilities_NC is None:
        labels = WeightedLabels(training.embeddings_ND, training.labels_N, training.weights_N)
        return Targets(labels, training.trusted_N)
    share_NC = _kept_share(training, training.probabilities_NC)
    rows, classes = np.nonzero(share_NC)
    weights = training.weights_N[rows] * share_NC[rows, classes]
    return Targets(WeightedLabels(training.embeddings_ND[rows], classes, weights), training.trusted_N[rows])


def _kept_share(training: TrainingSet, probabilities_NC: NDArray[np.float32]) -> NDArray[np.float32]:
    share = np.where(training.trusted_N[:, None], 0, probabilities_NC).astype(np.float32)
    trusted = np.flatnonzero(training.trusted_N)
    share[trusted, training.labels_N[trusted]] = 1
    if training.n_classes > MAX_CLASSES_A_SOFT_LABEL:
        cut = np.partition(share, -MAX_CLASSES_A_SOFT_LABEL, axis=1)[:, -MAX_CLASSES_A_SOFT_LABEL, None]
        share[share < cut] = 0
    return np.asarray(share / share.sum(axis=1, keepdims=True))

"""What a learner says of labeled items without having seen their labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic
from nextlabel.server.learners.threads import TRAINING_THREADS

FOLDS = 5


def out_of_fold(
    embeddings_ND: NDArray[np.float32], labels_N: NDArray[np.int64], classes: int, seed: int = 0
) -> NDArray[np.float32]:
    """Return class probabilities, (N, C), of five logistic regressions, each for a fifth that it was not fitted on.

    Raises:
        ValueError: there are fewer items than folds.
    """
    if len(labels_N) < FOLDS:
        raise ValueError(f"{len(labels_N)} items cannot be parted into {FOLDS} folds")
    fold_N = np.random.default_rng(seed).permutation(len(labels_N)) % FOLDS
    probabilities_NC = np.zeros((len(labels_N), classes), np.float32)
    with TRAINING_THREADS.bounded():
        for fold in range(FOLDS):
            fitted = fold_N != fold
            weights = np.ones(int(fitted.sum()), np.float32)
            head = fit_logistic(embeddings_ND[fitted], labels_N[fitted], weights, LogisticSettings(classes))
            probabilities_NC[~fitted] = head.predict_proba(embeddings_ND[~fitted])
    return probabilities_NC

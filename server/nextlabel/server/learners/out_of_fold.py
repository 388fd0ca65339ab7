"""What a learner says of labeled items without having seen their labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic
from nextlabel.server.learners.threads import TRAINING_THREADS

FOLDS = 5
_OTHER = -1
_RIDGE = 1.0


def out_of_fold(
    embeddings_ND: NDArray[np.float32],
    labels_N: NDArray[np.int64],
    classes: int,
    *,
    known_N: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return class probabilities, (N, C), of five logistic regressions, each for a fifth that it was not fitted on.

    ``known_N`` says which items they are fitted on, by default all: the others are judged by the mean of all five.

    Raises:
        ValueError: there are fewer known items than folds.
    """
    known = np.arange(len(labels_N)) if known_N is None else np.flatnonzero(known_N)
    if len(known) < FOLDS:
        raise ValueError(f"{len(known)} items cannot be parted into {FOLDS} folds")
    fold_N = np.full(len(labels_N), _OTHER, np.int64)
    fold_N[known] = np.random.default_rng(seed).permutation(len(known)) % FOLDS
    others_N = fold_N == _OTHER
    probabilities_NC = np.zeros((len(labels_N), classes), np.float32)
    with TRAINING_THREADS.bounded():
        for fold in range(FOLDS):
            fitted = (fold_N != fold) & ~others_N
            weights = np.ones(int(fitted.sum()), np.float32)
            head = fit_logistic(embeddings_ND[fitted], labels_N[fitted], weights, LogisticSettings(classes))
            judged = fold_N == fold
            probabilities_NC[judged] = head.predict_proba(embeddings_ND[judged])
            if others_N.any():
                probabilities_NC[others_N] += head.predict_proba(embeddings_ND[others_N]) / FOLDS
    return probabilities_NC


def out_of_fold_scores(
    embeddings_ND: NDArray[np.float32],
    scores_N: NDArray[np.float64],
    *,
    known_N: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return expected scores, (N,), of five ridge regressions, each for a fifth that it was not fitted on.

    As `out_of_fold`, and raises what it does.
    """
    known = np.arange(len(scores_N)) if known_N is None else np.flatnonzero(known_N)
    if len(known) < FOLDS:
        raise ValueError(f"{len(known)} items cannot be parted into {FOLDS} folds")
    fold_N = np.full(len(scores_N), _OTHER, np.int64)
    fold_N[known] = np.random.default_rng(seed).permutation(len(known)) % FOLDS
    rows_ND = np.asarray(embeddings_ND, np.float64)
    expected_N = np.zeros(len(scores_N))
    with TRAINING_THREADS.bounded():
        for fold in range(FOLDS):
            fitted = (fold_N != fold) & (fold_N != _OTHER)
            mean, centre_D = scores_N[fitted].mean(), rows_ND[fitted].mean(axis=0)
            centred_nD = rows_ND[fitted] - centre_D
            covariance_DD = centred_nD.T @ centred_nD + _RIDGE * np.eye(centred_nD.shape[1])
            slope_D = np.linalg.solve(covariance_DD, centred_nD.T @ (scores_N[fitted] - mean))
            said_N = mean + (rows_ND - centre_D) @ slope_D
            expected_N[fold_N == fold] = said_N[fold_N == fold]
            expected_N[fold_N == _OTHER] += said_N[fold_N == _OTHER] / FOLDS
    return expected_N

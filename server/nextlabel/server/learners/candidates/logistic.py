"""Multinomial logistic regression on weighted labels, started from an earlier solution where there is one.

scikit-learn's `newton-cg` in float32: near an earlier solution it needs one or two steps
(`docs/evidence/learner.md`). Classes are weighted inversely to their share by default (King & Zeng 2001), because
picked batches are never distributed as the pool is.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from nextlabel.server.learners.candidates.linear import UNSEEN_LOGIT, TrainedHead

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

MAX_NEWTON_STEPS = 100

# A handful of labels over many classes is where active learning starts, not a regression problem.
warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)


@dataclass(frozen=True, slots=True)
class LogisticSettings:
    """How a logistic regression is fitted.

    Attributes:
        n_classes: size of the label space, C.
        C: inverse strength of the L2 penalty, as in scikit-learn.
        balanced: whether every class gets the same total weight.
        tolerance: largest component of the mean loss's gradient at which the fit ends.
    """

    n_classes: int
    C: float = 10.0
    balanced: bool = True
    tolerance: float = 1e-4


def class_balance(labels_N: Int64, weights_N: Float32, n_classes: int, exponent: float = 1.0) -> Float32:
    """Weights moved towards the same total for every class that occurs; the sum of all stays as it was.

    Args:
        exponent: in [0, 1]; 0 leaves the weights as they are, 1 makes the totals equal.
    """
    mass_C = np.bincount(labels_N, weights_N, minlength=n_classes)
    factor_C = np.divide(1, mass_C, out=np.zeros_like(mass_C), where=mass_C > 0) ** exponent
    factor_C *= mass_C.sum() / max((mass_C * factor_C).sum(), np.finfo(np.float64).tiny)
    return np.asarray(weights_N * factor_C[labels_N], np.float32)


def fit_logistic(
    embeddings_ND: Float32,
    labels_N: Int64,
    weights_N: Float32,
    settings: LogisticSettings,
    start: TrainedHead | None = None,
) -> TrainedHead:
    """Fits a head to weighted labels; classes without labels get probability 0.

    Args:
        start: a head to start from. Classes it has not seen start at 0.
    """
    seen_k = np.unique(labels_N)
    if len(seen_k) < 2:
        return TrainedHead.constant(settings.n_classes, embeddings_ND.shape[1], seen_k)
    weights = class_balance(labels_N, weights_N, settings.n_classes) if settings.balanced else weights_N
    estimator = LogisticRegression(
        C=settings.C, solver="newton-cg", tol=settings.tolerance, max_iter=MAX_NEWTON_STEPS, warm_start=True
    )
    if start is not None:
        estimator.coef_, estimator.intercept_ = _start_at(start, seen_k)
    estimator.fit(embeddings_ND, labels_N, weights)
    return head_over(settings.n_classes, seen_k, estimator.coef_, estimator.intercept_)


def _start_at(head: TrainedHead, seen_k: Int64) -> tuple[Float32, Float32]:
    coef, intercept = head.coef_CD[seen_k], np.where(head.is_seen, head.intercept_C, 0)[seen_k]
    if len(seen_k) == 2:  # scikit-learn keeps one row for two classes: the log-odds of the second
        return coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    return coef, intercept


def head_over(n_classes: int, seen_k: Int64, coef_kD: Float32, intercept_k: Float32) -> TrainedHead:
    """A head over the whole label space from scikit-learn's coefficients of the classes seen."""
    if len(coef_kD) == 1:
        coef_kD = np.concatenate([-coef_kD / 2, coef_kD / 2])
        intercept_k = np.concatenate([-intercept_k / 2, intercept_k / 2])
    coef = np.zeros((n_classes, coef_kD.shape[1]), np.float32)
    intercept = np.full(n_classes, UNSEEN_LOGIT, np.float32)
    coef[seen_k], intercept[seen_k] = coef_kD, intercept_k
    return TrainedHead(coef, intercept)

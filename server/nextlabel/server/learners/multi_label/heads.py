"""Logistic regressions of all classes at once: one matrix product a step instead of a fit a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from nextlabel.server.learners.candidates.linear import TrainedHead

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

MAX_STEPS = 300
TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What is known of each class of some items.

    Attributes:
        embeddings_ND: float32, one row an item.
        targets_NC: how probable it is that a class applies, in [0, 1].
        weights_NC: how much that counts, at least 0; 0 where it says nothing.
    """

    embeddings_ND: Float32
    targets_NC: Float64
    weights_NC: Float64

    def take(self, rows_n: NDArray[np.int64]) -> Answers:
        """The answers about these rows."""
        return Answers(self.embeddings_ND[rows_n], self.targets_NC[rows_n], self.weights_NC[rows_n])

    def balanced(self) -> Answers:
        """The same answers, weighted so that for every class yes and no have the same total."""
        yes_C = (self.weights_NC * self.targets_NC).sum(axis=0)
        no_C = (self.weights_NC * (1 - self.targets_NC)).sum(axis=0)
        both_C = (yes_C > 0) & (no_C > 0)
        half_C = (yes_C + no_C) / 2
        of_yes_C = np.divide(half_C, yes_C, out=np.ones_like(yes_C), where=both_C)
        of_no_C = np.divide(half_C, no_C, out=np.ones_like(no_C), where=both_C)
        yes_NC, no_NC = self.targets_NC * of_yes_C, (1 - self.targets_NC) * of_no_C
        total_NC = yes_NC + no_NC
        return Answers(self.embeddings_ND, yes_NC / total_NC, self.weights_NC * total_NC)


def fit_heads(
    answers: Answers, C: float, start: TrainedHead | None = None, expected: TrainedHead | None = None
) -> TrainedHead:
    """Minimises for every class the weighted cross-entropy times `C` plus half the squared length of its coefficients.

    Args:
        C: inverse strength of the L2 penalty, as in scikit-learn.
        start: heads to start from.
        expected: heads that the penalty draws coefficients to instead of to 0.

    Returns:
        heads whose logits are log-odds, each class by itself.
    """
    n_classes, dimension = answers.targets_NC.shape[1], answers.embeddings_ND.shape[1]
    embeddings_ND = answers.embeddings_ND.astype(np.float64)
    weights_NC = C * answers.weights_NC
    yes_NC = weights_NC * answers.targets_NC
    expected_CD = np.zeros((n_classes, dimension)) if expected is None else expected.coef_CD.astype(np.float64)

    def loss(flat: Float64) -> tuple[float, Float64]:
        heads = flat.reshape(n_classes, dimension + 1)
        logits_NC = embeddings_ND @ heads[:, :-1].T + heads[:, -1]
        value = (weights_NC * np.logaddexp(0, logits_NC) - yes_NC * logits_NC).sum()
        residual_NC = weights_NC * expit(logits_NC) - yes_NC
        gradient = np.empty_like(heads)
        apart_CD = heads[:, :-1] - expected_CD
        gradient[:, :-1] = residual_NC.T @ embeddings_ND + apart_CD
        gradient[:, -1] = residual_NC.sum(axis=0)
        return float(value + (apart_CD**2).sum() / 2), gradient.ravel()

    first = np.zeros((n_classes, dimension + 1))
    begin = expected if start is None else start
    if begin is not None:
        first[:, :-1], first[:, -1] = begin.coef_CD, begin.intercept_C
    options = {"maxiter": MAX_STEPS, "gtol": TOLERANCE * C, "ftol": 1e-8}
    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    heads = found.x.reshape(n_classes, dimension + 1).astype(np.float32)
    return TrainedHead(np.ascontiguousarray(heads[:, :-1]), heads[:, -1].copy())

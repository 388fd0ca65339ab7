"""Davidson's model of paired comparisons with ties, fitted to features (Davidson 1970, JASA 65:317).

A text with reward r is preferred to one with reward r' with log-odds r - r', and a tie is ν times the geometric mean of
both as probable as either: a softmax of (s / 2, log ν, -s / 2) where s = r - r'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from nextlabel.server.learners.preferences.training import TIE

Float64 = NDArray[np.float64]

_SIDES = np.array([0.5, 0.0, -0.5])
_KNOWN_OF_TIES = np.array([0.5, 0.5, 0.5])
"""Answers about equal texts that stand for what is known before any: they keep ν finite where no answer is a tie."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Coefficients of the reward, (D,), and the logarithm of ν."""

    coef_D: Float64
    log_tie: float

    def log_probabilities(self, differences_nD: Float64) -> Float64:
        """Return logarithms of the probabilities of first, tie and second, (n, 3)."""
        return log_probabilities(differences_nD @ self.coef_D, self.log_tie)


def log_probabilities(advantage_n: Float64, log_tie: float) -> Float64:
    """Return logarithms of the probabilities of first, tie and second, (n, 3), by how much better the first is.

    >>> np.exp(log_probabilities(np.array([0.0, 100.0]), 0.0)).round(3).tolist()
    [[0.333, 0.333, 0.333], [1.0, 0.0, 0.0]]
    """
    logits_n3 = advantage_n[:, None] * _SIDES
    logits_n3[:, TIE] += log_tie
    return np.asarray(log_softmax(logits_n3, axis=1))


def fit(
    differences_ND: Float64,
    answers_N: NDArray[np.int64],
    weights_N: Float64,
    penalty: float,
    start: Fitted | None = None,
) -> Fitted:
    """Return what maximises the weighted likelihood of N answers minus ``penalty`` / 2 times the squared coefficients.

    There is no intercept: who swaps the texts of a pair mirrors its probabilities. The problem is convex.
    """
    given_N3 = weights_N[:, None] * np.eye(3)[answers_N]

    def loss(parameters: Float64) -> tuple[float, Float64]:
        coef_D, log_tie = parameters[:-1], parameters[-1]
        log_N3 = log_probabilities(differences_ND @ coef_D, log_tie)
        equal_3 = log_probabilities(np.zeros(1), log_tie)[0]
        value = -(given_N3 * log_N3).sum() - _KNOWN_OF_TIES @ equal_3 + penalty / 2 * (coef_D @ coef_D)
        off_N3 = weights_N[:, None] * np.exp(log_N3) - given_N3
        off_equal = _KNOWN_OF_TIES.sum() * np.exp(equal_3[TIE]) - _KNOWN_OF_TIES[TIE]
        gradient = np.append((off_N3 @ _SIDES) @ differences_ND + penalty * coef_D, off_N3[:, TIE].sum() + off_equal)
        return float(value), gradient

    first = np.zeros(differences_ND.shape[1] + 1) if start is None else np.append(start.coef_D, start.log_tie)
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-10, "gtol": 1e-6})
    return Fitted(found.x[:-1], float(found.x[-1]))


def curvature(advantage_n: Float64, log_tie: float) -> Float64:
    """Return the information that an answer about each of n pairs gives of its advantage, (n,), at most 1/4.

    >>> curvature(np.zeros(1), -100.0).round(3).tolist()
    [0.25]
    """
    probabilities_n3 = np.exp(log_probabilities(advantage_n, log_tie))
    return np.asarray(probabilities_n3 @ _SIDES**2 - (probabilities_n3 @ _SIDES) ** 2)

"""Davidson's model of paired comparisons, fitted to what texts are like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from nextlabel.server.assessment.ranking.davidson import KNOWN_OF_TIES, SIDES, TIE, log_probabilities

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Coefficients of the reward, (D,), and the logarithm of ν."""

    coef_D: Float64
    log_tie: float

    def log_probabilities(self, differences_nD: Float64) -> Float64:
        """Return logarithms of the probabilities of first, tie and second, (n, 3)."""
        return log_probabilities(differences_nD @ self.coef_D, self.log_tie)


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
        value = -(given_N3 * log_N3).sum() - KNOWN_OF_TIES @ equal_3 + penalty / 2 * (coef_D @ coef_D)
        off_N3 = weights_N[:, None] * np.exp(log_N3) - given_N3
        off_equal = KNOWN_OF_TIES.sum() * np.exp(equal_3[TIE]) - KNOWN_OF_TIES[TIE]
        gradient = np.append((off_N3 @ SIDES) @ differences_ND + penalty * coef_D, off_N3[:, TIE].sum() + off_equal)
        return float(value), gradient

    first = np.zeros(differences_ND.shape[1] + 1) if start is None else np.append(start.coef_D, start.log_tie)
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-9, "gtol": 1e-5})
    return Fitted(found.x[:-1], float(found.x[-1]))

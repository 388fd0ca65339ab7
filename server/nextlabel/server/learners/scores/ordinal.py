"""Scores of a few levels as ordered classes: a cumulative logit on embeddings (McCullagh 1980, JRSS B 42:109).

One direction in the embeddings says how high an item scores, and a cut between each two levels where the one gives way
to the next: levels need not be equally far apart, and predictions stay within them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_LEVELS = 10
"""Levels up to which they are taken for classes."""


@dataclass(frozen=True, slots=True, eq=False)
class OrdinalHead:
    """P(level > k) = sigmoid(coef . x - cut k), for K + 1 levels.

    Attributes:
        coef_D: float32.
        cuts_K: float32, ascending.
    """

    coef_D: Float32
    cuts_K: Float32

    def above(self, embeddings_nD: NDArray[np.floating]) -> Float32:
        """Return how probable n items are above each cut, (n, K) float32."""
        latent_n = np.asarray(embeddings_nD, np.float32) @ self.coef_D
        return np.asarray(expit(latent_n[:, None] - self.cuts_K), np.float32)

    def shares(self, embeddings_nD: NDArray[np.floating]) -> Float32:
        """Return the expected levels of n items as shares of the range, (n,) float32 in [0, 1]."""
        return np.asarray(self.above(embeddings_nD).mean(axis=1), np.float32)


def fit_ordinal(embeddings_ND: Float64, levels_N: Ints, cuts: int, weights_N: Float64, penalty: float) -> OrdinalHead:
    """Return what maximises the weighted likelihood minus ``penalty`` / 2 times the squared coefficients.

    Args:
        levels_N: from 0 to ``cuts``. Levels that nobody gave keep a cut of their own by half a label each.
    """
    counts = np.bincount(levels_N, weights_N, cuts + 1) + 0.5
    below_K = np.cumsum(counts)[:-1] / counts.sum()
    first_K = np.log(below_K / (1 - below_K))
    start = np.concatenate([np.zeros(embeddings_ND.shape[1]), first_K[:1], np.log(np.diff(first_K))])
    dimension = embeddings_ND.shape[1]
    one_NL = np.eye(cuts + 1)[levels_N] * weights_N[:, None]

    def cuts_of(parameters: Float64) -> Float64:
        return np.asarray(np.cumsum(np.concatenate([parameters[:1], np.exp(parameters[1:])])))

    def loss(parameters: Float64) -> tuple[float, Float64]:
        coef_D, cuts_K = parameters[:dimension], cuts_of(parameters[dimension:])
        above_NK = expit((embeddings_ND @ coef_D)[:, None] - cuts_K)
        whole_NK2 = np.pad(above_NK, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
        level_NL = np.maximum(whole_NK2[:, :-1] - whole_NK2[:, 1:], 1e-12)
        # Half a label of each level, spread as if embeddings said nothing, keeps every cut finite.
        plain = np.pad(expit(-cuts_K), (1, 1), constant_values=(1, 0))
        plain_L = np.maximum(plain[:-1] - plain[1:], 1e-12)
        value = -(one_NL * np.log(level_NL)).sum() - 0.5 * np.log(plain_L).sum() + penalty / 2 * (coef_D @ coef_D)
        up_NK = _slopes(one_NL / level_NL, above_NK)
        plain_K = _slopes(0.5 / plain_L[None], expit(-cuts_K)[None])[0]
        by_cut = up_NK.sum(axis=0) + plain_K
        gradient_cuts = by_cut[::-1].cumsum()[::-1] * np.concatenate([[1.0], np.exp(parameters[dimension + 1 :])])
        gradient = np.concatenate([-up_NK.sum(axis=1) @ embeddings_ND + penalty * coef_D, gradient_cuts])
        return float(value), gradient

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-9}).x
    cuts_K = cuts_of(found[dimension:])
    return OrdinalHead(found[:dimension].astype(np.float32), cuts_K.astype(np.float32))


def _slopes(odds_NL: Float64, above_NK: Float64) -> Float64:
    """Return how the loss rises with each cut: it takes from the level above it and gives to the one below."""
    return np.asarray((odds_NL[:, 1:] - odds_NL[:, :-1]) * above_NK * (1 - above_NK))

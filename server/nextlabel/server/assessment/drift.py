"""Whether new texts are like the earlier ones: a two-sample test by betting.

Of each pair of an earlier and a new text a classifier that has seen only the pairs before says how probably which one
is new, and stakes all on it. If both are drawn from the same texts the bet is fair whatever it has learned (Podkopaev
and Ramdas 2023, arXiv 2305.00143; Pandeva et al. 2022, arXiv 2210.13027), and a wealth that began as 1 exceeds
1 / error at any time with a probability of at most ``error`` (Ville 1939).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

FIRST_PAIRS = 24
"""Pairs that are only learned from."""

_SHRINKAGE = 0.95
# How sure a classifier of few pairs may be is not known: bettors of several degrees share the wealth.
_SHARPNESS_B = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])


@dataclass(frozen=True, slots=True)
class DriftEvidence:
    """What the bets on n pairs came to.

    ``told_apart`` is the share of pairs of which the new text was recognised, 0.5 where nothing has changed.
    ``log_wealth`` is the logarithm of the highest wealth, at least 0: how strongly the texts differ.
    """

    pairs: int
    told_apart: float
    log_wealth: float

    def beyond(self, error: float) -> bool:
        """True when the wealth exceeds 1 / error, which without a change it does with this probability at most."""
        return self.log_wealth > -log(error)


def drift_evidence(earlier_nD: Floats, new_nD: Floats) -> DriftEvidence:
    """Compare n earlier with n new embeddings, both in an order that says nothing.

    Raises:
        ValueError: there are not as many of one kind as of the other, or no more than are only learned from.
    """
    pairs = len(earlier_nD)
    if pairs != len(new_nD) or pairs <= FIRST_PAIRS:
        raise ValueError(f"{pairs} earlier and {len(new_nD)} new texts; expected as many, more than {FIRST_PAIRS}")
    earlier, new = np.asarray(earlier_nD, np.float64), np.asarray(new_nD, np.float64)
    margins = []
    known = FIRST_PAIRS
    while known < pairs:
        until = min(pairs, 2 * known)
        direction_D = _direction(earlier[:known], new[:known])
        margins.append((new[known:until] - earlier[known:until]) @ direction_D)
        known = until
    margin_n = np.concatenate(margins)
    # A fair bet returns 2 p of the stake, p being the probability that was given to what is true.
    gains_nB = np.log(2) - np.logaddexp(0, -margin_n[:, None] * _SHARPNESS_B)
    log_wealth_n = np.logaddexp.reduce(np.cumsum(gains_nB, axis=0), axis=1) - np.log(len(_SHARPNESS_B))
    # Copies cannot be told apart: half of them count as recognised.
    told_apart = float(((margin_n > 0) + 0.5 * (margin_n == 0)).mean())
    return DriftEvidence(len(margin_n), told_apart, max(0.0, float(log_wealth_n.max())))


def _direction(earlier_nD: Floats, new_nD: Floats) -> Floats:
    """Fisher's discriminant, its covariance mixed with a sphere: pairs are few and vectors long."""
    centered_mD = np.concatenate([earlier_nD - earlier_nD.mean(axis=0), new_nD - new_nD.mean(axis=0)])
    covariance_DD = centered_mD.T @ centered_mD / len(centered_mD)
    dimension = len(covariance_DD)
    sphere = float(np.trace(covariance_DD)) / dimension
    shrunk_DD = (1 - _SHRINKAGE) * covariance_DD + (_SHRINKAGE * sphere + 1e-9) * np.eye(dimension)
    return np.asarray(np.linalg.solve(shrunk_DD, new_nD.mean(axis=0) - earlier_nD.mean(axis=0)))

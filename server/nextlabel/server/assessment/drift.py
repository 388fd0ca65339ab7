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

_SHRINKAGE = 0.8
_GROWTH = 1.3
# How sure a classifier of few pairs may be is not known: bettors of several degrees share the wealth.
_SHARPNESS_B = 0.05 * 2.0 ** np.arange(8)


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


def drift_evidence(earlier_nD: Floats, new_nD: Floats, further_mD: Floats | None = None) -> DriftEvidence:
    """Compare n earlier with n new embeddings, both in an order that says nothing.

    Of ``further_mD``, other earlier ones, the classifier learns what is not new; no bets are made on them.

    Raises:
        ValueError: there are not as many of one kind as of the other, or no more than are only learned from.
    """
    pairs = len(earlier_nD)
    if pairs != len(new_nD) or pairs <= FIRST_PAIRS:
        raise ValueError(f"{pairs} earlier and {len(new_nD)} new texts; expected as many, more than {FIRST_PAIRS}")
    earlier, new = np.asarray(earlier_nD, np.float64), np.asarray(new_nD, np.float64)
    classifier = _Discriminant(earlier.shape[1])
    if further_mD is not None:
        classifier.learn(np.asarray(further_mD, np.float64), new[:0])
    margins = []
    begin, end = 0, FIRST_PAIRS
    while end < pairs:
        classifier.learn(earlier[begin:end], new[begin:end])
        begin, end = end, min(pairs, int(_GROWTH * end))
        margins.append((new[begin:end] - earlier[begin:end]) @ classifier.direction())
    margin_n = np.concatenate(margins)
    # A fair bet returns 2 p of the stake, p being the probability that was given to what is true.
    gains_nB = np.log(2) - np.logaddexp(0, -margin_n[:, None] * _SHARPNESS_B)
    log_wealth_n = np.logaddexp.reduce(np.cumsum(gains_nB, axis=0), axis=1) - np.log(len(_SHARPNESS_B))
    # Copies cannot be told apart: half of them count as recognised.
    told_apart = float(((margin_n > 0) + 0.5 * (margin_n == 0)).mean())
    return DriftEvidence(len(margin_n), told_apart, max(0.0, float(log_wealth_n.max())))


class _Discriminant:
    """Fisher's discriminant, its covariance mixed with a sphere: pairs are few and vectors long."""

    def __init__(self, dimension: int) -> None:
        self._counts = np.zeros(2)
        self._sums_2D = np.zeros((2, dimension))
        self._products_DD = np.zeros((dimension, dimension))

    def learn(self, earlier_eD: Floats, new_nD: Floats) -> None:
        """Take in further texts of both kinds."""
        for kind, seen_nD in enumerate((earlier_eD, new_nD)):
            self._counts[kind] += len(seen_nD)
            self._sums_2D[kind] += seen_nD.sum(axis=0)
            self._products_DD += seen_nD.T @ seen_nD

    def direction(self) -> Floats:
        """Return the direction in which new texts differ."""
        means_2D = self._sums_2D / self._counts[:, None]
        covariance_DD = (self._products_DD - means_2D.T @ self._sums_2D) / self._counts.sum()
        dimension = len(covariance_DD)
        sphere = float(np.trace(covariance_DD)) / dimension
        shrunk_DD = (1 - _SHRINKAGE) * covariance_DD + (_SHRINKAGE * sphere + 1e-9) * np.eye(dimension)
        return np.asarray(np.linalg.solve(shrunk_DD, means_2D[1] - means_2D[0]))

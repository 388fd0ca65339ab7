"""Bayesian D-optimal design: the batch whose answers narrow a linear learner's coefficients down most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact, Rows, to_numpy
from nextlabel.strategies.arithmetic.exact import exactly
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import ComparisonHead, Predictor
from nextlabel.strategies.pickers.distances import all_embeddings, first_of_best

GAIN_GRID = 2.0**-20
"""Gains are rounded to multiples of this share of the first one; noise of factorizations is far below."""


@dataclass(frozen=True, slots=True)
class DOptimal:
    """Greedily maximises the determinant of the posterior precision (Chaloner and Verdinelli 1995, Stat. Sci. 10:273).

    The coefficients have precision P = prior I + sum of told x x' over the labeled items and the picks, where told is
    what an answer about x tells under the learner's probabilities: next comes the row of greatest told x' P^-1 x. For a
    learner of pairs x is the difference of both sides, told the variance of the answer, and the prior its own penalty
    (see `ComparisonHead`). For any other x is the embedding and told the sum over the classes of p (1 - p).

    Attributes:
        prior: precision of the coefficients without labels, of learners that do not say theirs.
    """

    prior: float

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and embeddings."""
        return frozenset({Need.PROBABILITIES, Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k one after the other."""
        predictor = context.require_predictor()
        rows_md, told_m = _design(predictor, all_embeddings(candidates))
        prior = predictor.penalty if isinstance(predictor, ComparisonHead) else self.prior
        precision_dd = prior * np.eye(rows_md.shape[1])
        labeled = context.labeled
        if labeled is not None and len(labeled):
            known_Ld, told_L = _design(predictor, to_numpy(exactly(labeled.embeddings_LD)))
            counted_L = told_L if labeled.weights_L is None else told_L * labeled.weights_L
            precision_dd += (counted_L[:, None] * known_Ld).T @ known_Ld
        covariance_dd = np.asarray(np.linalg.inv(precision_dd), np.float64)
        return Picks(_greedy(candidates, rows_md, told_m, covariance_dd, k))


def _design(predictor: Predictor, embeddings_nD: Exact) -> tuple[Exact, Exact]:
    """Return the rows of the design, (n, d), and what an answer about each tells, (n,)."""
    if isinstance(predictor, ComparisonHead):
        return predictor.differences(embeddings_nD), predictor.information(embeddings_nD)
    probabilities_nC = to_numpy(predictor.predict_proba(embeddings_nD)).astype(np.float64)
    return embeddings_nD, np.asarray(1 - (probabilities_nC**2).sum(axis=1))


def _greedy(candidates: Candidates, rows_md: Exact, told_m: Exact, covariance_dd: Exact, k: int) -> Rows:
    """Pick k rows, each of greatest gain given those before it."""
    spread_m = np.einsum("md,md->m", rows_md @ covariance_dd, rows_md)
    unit = float((told_m * spread_m).max()) * GAIN_GRID or 1.0
    everything = np.arange(len(candidates), dtype=np.int64)
    left_m = np.ones(len(candidates), np.bool_)
    directions_kd, shares_k = np.zeros((k, rows_md.shape[1])), np.zeros(k)
    picked = np.empty(k, np.int64)
    for step in range(k):
        gains_m = np.where(left_m, np.rint(told_m * spread_m / unit), -1.0)
        best = picked[step] = first_of_best(gains_m, everything, candidates)
        left_m[best] = False
        # Sherman and Morrison: what one more answer takes off the covariance is told / (1 + gain) times v v'.
        before_jd = directions_kd[:step]
        v_d = covariance_dd @ rows_md[best] - (shares_k[:step] * (before_jd @ rows_md[best])) @ before_jd
        share = told_m[best] / (1 + told_m[best] * spread_m[best])
        spread_m = np.maximum(spread_m - share * (rows_md @ v_d) ** 2, 0)
        directions_kd[step], shares_k[step] = v_d, share
    return picked

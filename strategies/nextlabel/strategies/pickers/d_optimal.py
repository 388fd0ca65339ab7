"""Bayesian D-optimal design: the batch whose answers narrow a linear learner's coefficients down most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Rows
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.pickers.distances import all_embeddings, first_of_best
from nextlabel.strategies.pickers.linear_design import GAIN_GRID, LinearDesign


@dataclass(frozen=True, slots=True)
class DOptimal:
    """Greedily maximises the determinant of the posterior precision (Chaloner and Verdinelli 1995, Stat. Sci. 10:273).

    The coefficients have precision P = prior I + sum of told x x' over the labeled items and the picks, where told is
    what an answer about x tells under the learner's probabilities: next comes the row of greatest told x' P^-1 x. See
    `LinearDesign` for x and told.

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
        context.require_predictor()
        return Picks(_greedy(candidates, LinearDesign.of(all_embeddings(candidates), context, self.prior), k))


def _greedy(candidates: Candidates, design: LinearDesign, k: int) -> Rows:
    """Pick k rows, each of greatest gain given those before it."""
    rows_md, told_m, covariance_dd = design.rows_md, design.told_m, design.covariance_dd
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

"""Fisher information: the batch after which a linear learner is expected to be least wrong about the whole pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Rows
from nextlabel.strategies.arithmetic.blas import single_threaded_blas
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.pickers.distances import all_embeddings, first_of_best
from nextlabel.strategies.pickers.linear_design import GAIN_GRID, LinearDesign


@dataclass(frozen=True, slots=True)
class Bait:
    """Greedily minimises the trace of the pool's information times the covariance of the coefficients.

    That is by how much the log loss on the pool is expected to be above the least possible, times 2 (Zhang and Oles
    2000, ICML; BAIT of Ash et al. 2021, 2106.09675, which is this for the last layer, and takes picks back as well).
    With S the covariance and M the mean of told x x' over the candidates, an answer about a row takes told x' S M S x /
    (1 + told x' S x) off the trace: rows are picked that tell of where much of the pool lies, while D-optimal design
    goes for rows that lie far out. See `LinearDesign` for x and told.

    Attributes:
        prior: precision of the coefficients without labels, of learners that do not say theirs.
    """

    prior: float

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings; without a learner every answer tells as much."""
        return frozenset({Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k one after the other."""
        with single_threaded_blas():  # the products of a pick are too small to share
            return Picks(_greedy(candidates, LinearDesign.of(all_embeddings(candidates), context, self.prior), k))


def _greedy(candidates: Candidates, design: LinearDesign, k: int) -> Rows:
    """Pick k rows, each of greatest gain given those before it."""
    rows_md, told_m, covariance_dd = design.rows_md, design.told_m, design.covariance_dd.copy()
    pool_dd = (told_m[:, None] * rows_md).T @ rows_md / len(rows_md)
    spread_m = np.einsum("md,md->m", rows_md @ covariance_dd, rows_md)
    reach_m = np.einsum("md,md->m", rows_md @ (covariance_dd @ pool_dd @ covariance_dd), rows_md)
    unit = float((told_m * reach_m).max()) * GAIN_GRID or 1.0
    everything = np.arange(len(candidates), dtype=np.int64)
    left_m = np.ones(len(candidates), np.bool_)
    picked = np.empty(k, np.int64)
    for step in range(k):
        gains_m = np.where(left_m, np.rint(told_m * reach_m / (1 + told_m * spread_m) / unit), -1.0)
        best = picked[step] = first_of_best(gains_m, everything, candidates)
        left_m[best] = False
        # Sherman and Morrison: what one more answer takes off the covariance is told / (1 + told spread) times v v'.
        v_d = covariance_dd @ rows_md[best]
        through_d = pool_dd @ v_d
        share = told_m[best] / (1 + told_m[best] * spread_m[best])
        # One product, because reading the rows is what takes the time; this way round BLAS does not copy them.
        along_m, through_m = np.stack([v_d, covariance_dd @ through_d]) @ rows_md.T
        reach_m += share * along_m * (share * float(v_d @ through_d) * along_m - 2 * through_m)
        spread_m -= share * along_m**2
        np.maximum(reach_m, 0, out=reach_m)
        np.maximum(spread_m, 0, out=spread_m)
        covariance_dd -= np.outer(share * v_d, v_d)
    return picked

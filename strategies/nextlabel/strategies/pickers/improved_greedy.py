"""Improved greedy sampling (iGS) for scores: far from what is labeled, in the embedding and in the score at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact, to_numpy
from nextlabel.strategies.arithmetic.exact import exactly
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import Predictor
from nextlabel.strategies.pickers.distances import all_embeddings, first_of_best

VALUE_GRID = 2.0**-20
"""Values are rounded to multiples of this share of the greatest first one."""

_LABELS_AT_A_TIME = 512


@dataclass(frozen=True, slots=True)
class ImprovedGreedySampling:
    """Repeatedly the row of greatest min over known ones of d(x) d(y) (Wu, Lin and Huang 2019, 1808.04245).

    d(x) is the distance of the embeddings, d(y) that of the scores: the expected level for rows without a label. Levels
    are the classes in their order, as the learner of scores has them; elsewhere their order means little.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities, labels and embeddings."""
        return frozenset({Need.PROBABILITIES, Need.LABELED, Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k one after the other."""
        rows_mD, labeled = all_embeddings(candidates), context.require_labeled()
        scores_m = _expected(context.require_predictor(), rows_mD)
        known_LD, known_L = to_numpy(exactly(labeled.embeddings_LD)), labeled.classes_L.astype(np.float64)
        near_m = np.full(len(rows_mD), np.inf)
        for start in range(0, len(known_L), _LABELS_AT_A_TIME):
            part = slice(start, start + _LABELS_AT_A_TIME)
            near_m = np.minimum(near_m, _apart(rows_mD, scores_m, known_LD[part], known_L[part]))
        unit = float(near_m.max()) * VALUE_GRID or 1.0
        everything, picked = np.arange(len(rows_mD), dtype=np.int64), np.empty(k, np.int64)
        left_m = np.ones(len(rows_mD), np.bool_)
        for step in range(k):
            best = picked[step] = first_of_best(np.where(left_m, np.rint(near_m / unit), -1.0), everything, candidates)
            left_m[best] = False
            near_m = np.minimum(near_m, _apart(rows_mD, scores_m, rows_mD[[best]], scores_m[[best]]))
        return Picks(picked)


def _expected(predictor: Predictor, embeddings_nD: Exact) -> Exact:
    probabilities_nC = to_numpy(predictor.predict_proba(embeddings_nD)).astype(np.float64)
    return np.asarray(probabilities_nC @ np.arange(probabilities_nC.shape[1]))


def _apart(rows_mD: Exact, scores_m: Exact, known_LD: Exact, known_L: Exact) -> Exact:
    """Return the least product of both distances of each row to the known ones, (m,)."""
    squares = (rows_mD**2).sum(axis=1)[:, None] + (known_LD**2).sum(axis=1) - 2 * rows_mD @ known_LD.T
    return np.asarray((np.sqrt(np.maximum(squares, 0)) * np.abs(scores_m[:, None] - known_L)).min(axis=1))

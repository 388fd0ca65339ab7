"""Dueling bandits for pairs: finding the best text by comparisons of what might be it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import LinearHead
from nextlabel.strategies.pickers.distances import all_embeddings, first_of_best

VALUE_GRID = 2.0**-20
"""Values are rounded to multiples of it; what processors differ by is far below."""


@dataclass(frozen=True, slots=True)
class DoubleThompson:
    """Double Thompson sampling for linear rewards (Wu and Liu 2016, NeurIPS, for choices without features).

    Each pick draws two members of the committee, whose rewards are draws from the posterior: next comes the pair of
    which one side is as good as can be by the one and the other side by the other. So texts that may be the best are
    compared with each other, and the others hardly ever: to rank all of them take `DOptimal`. Where the learner
    compares no pairs, rows count as pairs of two halves.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities, a committee and embeddings."""
        return frozenset({Need.PROBABILITIES, Need.COMMITTEE, Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k one after the other."""
        rewards_T2m = _rewards(context.committee, all_embeddings(candidates))
        everything, left_m = np.arange(len(candidates), dtype=np.int64), np.ones(len(candidates), np.bool_)
        picked = np.empty(k, np.int64)
        for step in range(k):
            one, other = rng.choice(len(rewards_T2m), 2, replace=False)
            straight_m, turned_m = (rewards_T2m[one, side] + rewards_T2m[other, 1 - side] for side in (0, 1))
            values_m = np.rint(np.maximum(straight_m, turned_m) / VALUE_GRID)
            best = picked[step] = first_of_best(np.where(left_m, values_m, -np.inf), everything, candidates)
            left_m[best] = False
        return Picks(picked)


def _rewards(committee: Sequence[LinearHead], rows_mD: Exact) -> Exact:
    """Return the reward of both sides of each pair by each member, (T, 2, m)."""
    half = rows_mD.shape[1] // 2
    coef_TD = np.stack([(head.coef_CD[0] - head.coef_CD[-1])[:half] for head in committee]).astype(np.float64)
    return np.stack([coef_TD @ rows_mD[:, start : start + half].T for start in (0, half)], axis=1)

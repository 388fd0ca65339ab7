"""Rows of rare classes in large pools, which a sample would mostly leave out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace
from typing_extensions import override

from nextlabel.strategies.arithmetic.arrays import Array, Exact, like
from nextlabel.strategies.arithmetic.exact import is_exact
from nextlabel.strategies.candidates import Candidates, SubPool
from nextlabel.strategies.composition.around import Around
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.heads import softmax
from nextlabel.strategies.pickers.worth import needed_classes
from nextlabel.strategies.pool import Pool
from nextlabel.strategies.scorers.uncertainty import LogitScorer
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import ScoreAndPick, best_of

PER_PICK = 10
"""Rows of the pool that promise most of a rare class, for each pick, beside the sample."""


@dataclass(frozen=True, slots=True, eq=False)
class Rarity(LogitScorer):
    """What a row promises of labeled classes that are rare among the labels, at least 0.

    Attributes:
        need_C: the need of each class; of several classes an item, of "none" and the classes.
    """

    need_C: Exact

    @override
    def of_logits(self, logits_Cn: Array) -> Array:
        """Return need times squared probability, summed over the classes, shape (n,)."""
        p_Cn = softmax(logits_Cn)
        return like(self.need_C.astype(np.float64 if is_exact(p_Cn) else np.float32), p_Cn) @ p_Cn**2

    @override
    def of_questions(self, logits_Cn: Array) -> Array:
        """Return the same of the choice between "none" and the classes."""
        xp = array_namespace(logits_Cn)
        return self.of_logits(xp.concat([xp.zeros_like(logits_Cn[:1]), logits_Cn]))

    @override
    def slope(self, n_classes: int) -> float:
        """Return the highest need: p² moves by 4 p² (1 - p) at most, and these sum to no more than 1."""
        return float(self.need_C.max())


@dataclass(frozen=True, slots=True)
class SoughtInAll(Around):
    """A strategy over a sample that, while a class is rare, also sees the rows of the whole pool that promise most.

    At 0.02 % of positives a sample of 5,000 holds one, whatever the learner knows of the others. The pass over the
    pool is made only while a class is rare and the pool is larger than the sample.

    Attributes:
        inner: draws its shortlist uniformly.
    """

    inner: ScoreAndPick

    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """Return the sample and, behind it, the rows that are sought and not in it."""
        drawn = self.inner.shortlist(pool, k, context)
        need_C = _needs(context)
        if len(drawn) == len(pool) or not need_C.any():
            return drawn
        sought_r = best_of(pool, Rarity(need_C), PER_PICK * k, context).rows_m
        rows_m = np.concatenate([drawn.rows_m, sought_r[~np.isin(sought_r, drawn.rows_m)]])
        return Candidates(SubPool(pool, rows_m), rows_m, len(pool))

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Let the inner strategy choose."""
        return self.inner.pick(candidates, k, context)


def _needs(context: SelectionContext) -> Exact:
    predictor = context.predictor
    return needed_classes(0 if predictor is None or predictor.n_classes < 2 else predictor.n_classes, context)

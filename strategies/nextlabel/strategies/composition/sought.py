"""Rows of rare classes in large pools, which a sample would mostly leave out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Array, to_numpy
from nextlabel.strategies.candidates import Candidates, SubPool
from nextlabel.strategies.composition.around import Around
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import predictor_logits, softmax
from nextlabel.strategies.pickers.worth import needed_classes, rarity
from nextlabel.strategies.pool import Block, Pool
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import ScoreAndPick, best_of

PER_PICK = 10
"""Rows of the pool that promise most of a rare class, for each pick, beside the sample."""


@dataclass(frozen=True, slots=True)
class Rarity:
    """What a row promises of labeled classes that are rare among the labels, at least 0."""

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and labels."""
        return frozenset({Need.PROBABILITIES, Need.LABELED})

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return need times squared probability, summed over the rare classes, shape (n,)."""
        logits_Cn = predictor_logits(context.require_predictor(), block.embeddings_nD)
        return rarity(to_numpy(softmax(logits_Cn)), context)


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
        if len(drawn) == len(pool) or not _is_searching(context):
            return drawn
        sought_r = best_of(pool, Rarity(), PER_PICK * k, context).rows_m
        rows_m = np.concatenate([drawn.rows_m, sought_r[~np.isin(sought_r, drawn.rows_m)]])
        return Candidates(SubPool(pool, rows_m), rows_m, len(pool))

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Let the inner strategy choose."""
        return self.inner.pick(candidates, k, context)


def _is_searching(context: SelectionContext) -> bool:
    predictor = context.predictor
    return (
        predictor is not None and predictor.n_classes > 1 and bool(needed_classes(predictor.n_classes, context).any())
    )

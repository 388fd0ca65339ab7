"""How far an answer is expected to move the learner."""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import LevelHead, YesNoHeads, predictor_logits, softmax, stacked_logits
from nextlabel.strategies.pool import Block


@dataclass(frozen=True, slots=True)
class ExpectedModelChange:
    """Expected length of the step that one answer makes the learner take, at least 0.

    Of scores it is the mean over the committee of how far its members' scores are from the learner's, times the length
    of the embedding (Cai, Zhang and Zhou 2013, ICDM). Of classes it is the expected gradient length: the sum over the
    classes of p |p - e|, e the class as a unit vector, times that length (Settles, Craven and Ray 2008); where any
    number of classes applies, that of each yes or no, summed. The constant 1 beside the embedding counts as one column.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and a committee."""
        return frozenset({Need.PROBABILITIES, Need.COMMITTEE})

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the expected change of each row."""
        rows_nD, predictor = block.embeddings_nD, context.require_predictor()
        xp = array_namespace(rows_nD)
        length_n = xp.sqrt(1 + xp.sum(rows_nD**2, axis=1))
        if isinstance(predictor, YesNoHeads):
            logits_Cn = predictor.questions.logits(rows_nD)
            yes_Cn = 1 / (1 + xp.exp(-logits_Cn))
            return xp.sum(2 * yes_Cn * (1 - yes_Cn), axis=0) * length_n
        if isinstance(predictor, LevelHead):
            off_Tn = expected_levels(stacked_logits(context.committee, rows_nD)) - expected_levels(
                predictor.choice.logits(rows_nD)
            )
            return xp.mean(xp.abs(off_Tn), axis=0) * length_n
        p_Cn = softmax(predictor_logits(predictor, rows_nD))
        # |p - e|² = sum of p² - 2 p + 1, which rounding may take below 0.
        apart_Cn = xp.sqrt(xp.clip(xp.sum(p_Cn**2, axis=0) - 2 * p_Cn + 1, 0, None))
        return xp.sum(p_Cn * apart_Cn, axis=0) * length_n


@dataclass(frozen=True, slots=True)
class CommitteeVariance:
    """Variance over the committee of the expected level, at least 0: query by committee for scores.

    RayChaudhuri and Hamey 1995 (ICNN), Burbidge, Rowland and King 2007 (IDEAL). Levels are the classes in their order,
    as the learner of scores has them; elsewhere their order means little.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """A committee."""
        return frozenset({Need.COMMITTEE})

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the variance of each row."""
        levels_Tn = expected_levels(stacked_logits(context.committee, block.embeddings_nD))
        return array_namespace(levels_Tn).var(levels_Tn, axis=0)


def expected_levels(logits: Array) -> Array:
    """Return the expected level by class-major logits (…, C, n), from 0 to C - 1, shape (…, n)."""
    xp = array_namespace(logits)
    p = softmax(logits)
    levels_C1 = xp.reshape(xp.astype(xp.arange(p.shape[-2]), p.dtype), (-1, 1))
    return xp.sum(p * levels_C1, axis=-2)

"""Several classes an item: how many classes are predicted beside how many items have, and how clearly."""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import YesNoHeads
from nextlabel.strategies.pool import Block
from nextlabel.strategies.scorers.uncertainty import Margin

LEAST_SEPARATION = 2.0**-10
"""Log-odds below which classes given and not given are taken to touch."""


@dataclass(frozen=True, slots=True)
class LabelCardinality:
    """Separation margin and label cardinality inconsistency (Li and Guo 2013, IJCAI): 1 / separation^beta times
    inconsistency^(1 - beta).

    The separation is by how much the least of the classes given is above the greatest of the others, in log-odds. The
    inconsistency is by how much the number of classes given differs from the mean number of the labeled items. Where
    one class applies it is the margin.

    Attributes:
        beta: share of the separation, in [0, 1]; Li and Guo choose it anew in each round.
    """

    beta: float = 0.5

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and labels."""
        return frozenset({Need.PROBABILITIES, Need.LABELED})

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the product of each row."""
        predictor, labeled = context.require_predictor(), context.require_labeled()
        if not isinstance(predictor, YesNoHeads) or labeled.sets_LC is None:
            return Margin().of_prediction(predictor, block.embeddings_nD)
        logits_Cn = predictor.questions.logits(block.embeddings_nD)
        xp = array_namespace(logits_Cn)
        # The cut itself, at 0, stands in where all classes are given, or none is.
        lowest_n = xp.min(xp.where(logits_Cn > 0, logits_Cn, xp.inf), axis=0)
        highest_n = xp.max(xp.where(logits_Cn > 0, -xp.inf, logits_Cn), axis=0)
        lowest_n = xp.where(xp.isfinite(lowest_n), lowest_n, xp.zeros_like(lowest_n))
        highest_n = xp.where(xp.isfinite(highest_n), highest_n, xp.zeros_like(highest_n))
        separation_n = xp.clip(lowest_n - highest_n, LEAST_SEPARATION, None)
        usual = float(labeled.sets_LC.sum(axis=1).mean())
        given_n = xp.sum(xp.astype(logits_Cn > 0, logits_Cn.dtype), axis=0)
        # The last term is 0 unless a log-odds is NaN or infinite, which counts would hide.
        hidden_n = 0 * xp.sum(logits_Cn, axis=0)
        return xp.abs(given_n - usual) ** (1 - self.beta) * separation_n**-self.beta + hidden_n

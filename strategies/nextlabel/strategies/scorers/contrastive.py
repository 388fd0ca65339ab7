"""Contrastive active learning: rows whose prediction differs from their labeled neighbours'."""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array, kth_smallest, like
from nextlabel.strategies.arithmetic.exact import exactly
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import SMALLEST, predictor_logits, softmax
from nextlabel.strategies.passes.nearest import squared_distances
from nextlabel.strategies.pool import Block


@dataclass(frozen=True, slots=True)
class Contrastive:
    """Mean KL(neighbour's prediction || own) in nats over the k nearest labeled rows, at least 0.

    Margatina et al. 2021, arXiv 2109.03764. Neighbours at the distance of the k-th all count.

    Attributes:
        neighbors: k; fewer labels than that all count.
    """

    neighbors: int = 10

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities, embeddings and labels."""
        return frozenset({Need.PROBABILITIES, Need.EMBEDDINGS, Need.LABELED})

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the mean divergence; as products with the neighbour mask, not a loop over neighbours."""
        predictor, labeled = context.require_predictor(), context.require_labeled()
        embeddings_nD = exactly(block.embeddings_nD)
        own_Cn = _log_probabilities(predictor_logits(predictor, embeddings_nD))
        xp = array_namespace(own_Cn)
        labeled_LD = like(exactly(labeled.embeddings_LD), block.embeddings_nD)
        theirs_CL = _log_probabilities(predictor_logits(predictor, labeled_LD))
        probabilities_CL = xp.exp(theirs_CL)
        negative_entropy_L = xp.sum(probabilities_CL * theirs_CL, axis=0)

        distances_nL = squared_distances(embeddings_nD, labeled_LD)
        farthest_n1 = kth_smallest(distances_nL, min(self.neighbors, len(labeled)))
        near_nL = xp.astype(distances_nL <= farthest_n1, own_Cn.dtype)
        cross_n = xp.sum((near_nL @ probabilities_CL.T).T * own_Cn, axis=0)
        return (near_nL @ negative_entropy_L - cross_n) / xp.sum(near_nL, axis=1)


def _log_probabilities(logits_Cn: Array) -> Array:
    xp = array_namespace(logits_Cn)
    return xp.log(xp.clip(softmax(logits_Cn), SMALLEST, None))

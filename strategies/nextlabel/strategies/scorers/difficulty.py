"""How difficult a row is expected to be, by those near it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array, kth_smallest, like
from nextlabel.strategies.arithmetic.exact import exactly
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.passes.nearest import squared_distances
from nextlabel.strategies.pool import Block

_GRID = 2.0**-20
"""Difficulties are rounded to it, so that their sums are exact in any order."""


@dataclass(frozen=True, slots=True)
class ExpectedDifficulty:
    """Mean difficulty in [0, 1] of the k nearest rows that it is known of.

    Nearest-neighbour regression (Altman 1992, doi 10.1080/00031305.1992.10475879). Neighbours at the distance of the
    k-th all count.

    Attributes:
        neighbors: k; never more than half of those known, so that rows differ.
    """

    neighbors: int = 10

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings and difficulties."""
        return frozenset({Need.EMBEDDINGS, Need.DIFFICULTIES})

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the mean; as a product with the neighbour mask, not a loop over neighbours."""
        known = context.require_difficulties()
        embeddings_nD = exactly(block.embeddings_nD)
        distances_nL = squared_distances(embeddings_nD, like(exactly(known.embeddings_LD), embeddings_nD))
        xp = array_namespace(distances_nL)
        farthest_n1 = kth_smallest(distances_nL, min(self.neighbors, max(1, len(known) // 2)))
        near_nL = xp.astype(distances_nL <= farthest_n1, distances_nL.dtype)
        values_L = like(np.round(known.values_L / _GRID) * _GRID, distances_nL)
        total_n = near_nL @ values_L
        # A row that is not finite has no neighbours: the score says so.
        return total_n / xp.sum(near_nL, axis=1)

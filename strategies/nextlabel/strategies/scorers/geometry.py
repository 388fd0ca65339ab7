"""Scores from where a row lies: far from labels, or in the dense part of the pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array, Exact, like, to_numpy
from nextlabel.strategies.arithmetic.exact import exactly, on_grid
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.passes.nearest import check_finite, nearest_of
from nextlabel.strategies.passes.parts import map_blocks
from nextlabel.strategies.pool import Block, Pool
from nextlabel.strategies.scorer import Scorer


@dataclass(frozen=True, slots=True)
class DistanceToLabeled:
    """Euclidean distance to the nearest labeled row, at least 0."""

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings and labels."""
        return frozenset({Need.EMBEDDINGS, Need.LABELED})

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the distance."""
        return np.sqrt(nearest_of(block.embeddings_nD, context.require_labeled().embeddings_LD))


@dataclass(frozen=True, slots=True)
class Density:
    """Uncertainty times (mean cosine similarity to the pool)^beta (Settles and Craven 2008).

    The mean similarity is closed form: the cosine's numerator is linear, so the mean over the pool is
    one product with the mean direction. Similarities below 0 count as 0.

    Attributes:
        inner: an uncertainty that is at least 0.
        beta: weight of density.
    """

    inner: Scorer
    beta: float = 1.0

    @property
    def needs(self) -> frozenset[Need]:
        """What the inner scorer needs, and embeddings."""
        return self.inner.needs | {Need.EMBEDDINGS}

    def fit(self, pool: Pool, context: SelectionContext) -> Scorer:
        """Measure the pool's mean direction, in one more streaming pass."""
        return _DensityAround(self.inner, self.beta, mean_direction(pool))

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Score with the block as the whole pool; ``fit`` first for any other."""
        mean_D = np.mean(to_numpy(_unit(exactly(block.embeddings_nD))), axis=0)
        return _DensityAround(self.inner, self.beta, on_grid(mean_D[None])[0]).score(block, context)


@dataclass(frozen=True, slots=True)
class _DensityAround:
    inner: Scorer
    beta: float
    mean_D: Exact

    @property
    def needs(self) -> frozenset[Need]:
        return self.inner.needs | {Need.EMBEDDINGS}

    def score(self, block: Block, context: SelectionContext) -> Array:
        embeddings_nD = _unit(exactly(block.embeddings_nD))
        xp = array_namespace(embeddings_nD)
        similarity_n = xp.clip(embeddings_nD @ like(self.mean_D, embeddings_nD), 0, None)
        return self.inner.score(block, context) * similarity_n**self.beta


def mean_direction(pool: Pool) -> Exact:
    """Return the mean of the pool's unit-length embeddings on the grid, shape (D,)."""
    total_D = sum(map_blocks(pool, _total_direction))
    return np.asarray(on_grid(np.atleast_1d(total_D)[None] / max(1, len(pool)))[0])


def _total_direction(block: Block) -> Exact:
    unit_nD = _unit(on_grid(block.embeddings_nD))
    xp = array_namespace(unit_nD)
    check_finite(to_numpy(xp.sum(unit_nD, axis=1)), block.rows_n, "direction")
    return np.asarray(to_numpy(xp.sum(unit_nD, axis=0)))


def _unit(embeddings_nD: Array) -> Array:
    xp = array_namespace(embeddings_nD)
    lengths = xp.sqrt(xp.sum(embeddings_nD * embeddings_nD, axis=1, keepdims=True))
    with np.errstate(invalid="ignore"):
        return on_grid(embeddings_nD / xp.clip(lengths, 1e-12, None))

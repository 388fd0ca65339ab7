"""SEALS: on very large pools look only at the neighbours of what is labeled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact, Floats, Rows, like, to_numpy
from nextlabel.strategies.arithmetic.exact import on_grid
from nextlabel.strategies.arithmetic.randomness import row_uniforms
from nextlabel.strategies.candidates import SubPool
from nextlabel.strategies.passes.nearest import check_finite, pool_rows
from nextlabel.strategies.passes.parts import map_blocks, row_numbers
from nextlabel.strategies.pool import Block, Pool


class NeighbourCandidates:
    """The rows among the nearest neighbours of any labeled row (Coleman et al. 2022, arXiv 2007.00077).

    Exact neighbours by inner product, found for new labels only, in one pass for all of them; a round then
    costs what its new labels and the candidates cost, not a full scoring pass. Without labels a uniform
    sample of the pool stands in. Not safe for threads.

    Args:
        neighbors: neighbours kept of each labeled row.
        sample: size of the sample that stands in before there are labels.
    """

    def __init__(self, neighbors: int = 100, sample: int = 10_000) -> None:
        self._neighbors = neighbors
        self._sample = sample
        self._seen_LD: Floats = np.empty((0, 0), np.float32)
        self._rows: Rows = np.empty(0, np.int64)

    def restrict(self, pool: Pool, labeled_LD: Floats, seed: int = 0) -> Pool:
        """Return the pool of candidates, rows ascending; rows that left ``pool`` are dropped."""
        if len(labeled_LD) == 0:
            return _uniform_sample(pool, self._sample, seed)
        seen = len(self._seen_LD)
        if seen and not np.array_equal(labeled_LD[:seen], self._seen_LD):
            self._rows, seen = np.empty(0, np.int64), 0
        if len(labeled_LD) > seen:
            found = nearest_rows(pool, labeled_LD[seen:], self._neighbors)
            self._rows = np.union1d(self._rows, found.ravel())
            self._seen_LD = labeled_LD.copy()
        present = [np.intersect1d(rows_n, self._rows) for rows_n in row_numbers(pool)]
        self._rows = np.sort(np.concatenate(present))
        return SubPool(pool, self._rows)


def nearest_rows(pool: Pool, queries_qD: Floats, neighbors: int) -> Rows:
    """Return the rows of highest inner product with each query, best first, shape (q, min(neighbors, N)).

    Ties by row number.
    """
    nearest = _NearestOfTile(on_grid(queries_qD), neighbors)
    similarities = np.empty((len(queries_qD), 0))
    rows = np.empty((len(queries_qD), 0), np.int64)
    for tile_similarities, tile_rows in map_blocks(pool, nearest):
        similarities, rows = _best(
            np.concatenate([similarities, tile_similarities], axis=1),
            np.concatenate([rows, tile_rows], axis=1),
            neighbors,
        )
    return rows


@dataclass(frozen=True, slots=True)
class _NearestOfTile:
    exact_qD: Exact
    neighbors: int

    def __call__(self, block: Block) -> tuple[Exact, Rows]:
        embeddings_nD = on_grid(block.embeddings_nD)
        products_qn = to_numpy(like(self.exact_qD, embeddings_nD) @ embeddings_nD.T)
        check_finite(products_qn.sum(axis=0), block.rows_n, "similarity")
        return _best(products_qn, np.broadcast_to(block.rows_n, products_qn.shape), self.neighbors)


def _best(similarities_qn: Exact, rows_qn: Rows, neighbors: int) -> tuple[Exact, Rows]:
    kept = np.lexsort((rows_qn, -similarities_qn), axis=1)[:, :neighbors]
    return np.take_along_axis(similarities_qn, kept, axis=1), np.take_along_axis(rows_qn, kept, axis=1)


def _uniform_sample(pool: Pool, size: int, seed: int) -> Pool:
    rows = pool_rows(pool)
    if len(rows) <= size:
        return pool
    return SubPool(pool, np.sort(rows[np.argsort(row_uniforms(rows, seed, "neighbours"), kind="stable")[:size]]))

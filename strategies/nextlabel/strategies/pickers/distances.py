"""Distances from candidates to their nearest chosen row, kept lazily.

Distances only fall as rows are chosen, so an old one is an upper bound: a picker may act on it until a
bound could change the outcome, and then bring all bounds up to date with one product for many rows.
"""

from __future__ import annotations

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact, Floats, Rows, to_numpy
from nextlabel.strategies.arithmetic.exact import on_grid
from nextlabel.strategies.candidates import Candidates
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.passes.nearest import Bounds, check_finite, nearest_squared_distance


def bounds_to_labeled(candidates: Candidates, context: SelectionContext) -> Bounds:
    """Return upper bounds of each candidate's squared distance to the nearest labeled row; inf without labels."""
    labeled_LD = context.labeled_embeddings
    if context.nearest is not None and len(candidates) == candidates.pool_size:
        return context.nearest.bounds(candidates.pool, labeled_LD)
    return Bounds.exact(nearest_squared_distance(candidates.pool, labeled_LD))


def embeddings_of(candidates: Candidates, positions: Rows) -> Exact:
    """Return exact embeddings of some candidates on the host, shape (len(positions), D)."""
    return np.asarray(to_numpy(on_grid(candidates.pool.take(candidates.rows_m[positions]))))


def all_embeddings(candidates: Candidates) -> Exact:
    """Return every candidate's exact embedding on the host, shape (m, D); for shortlists."""
    blocks: list[Exact] = [to_numpy(on_grid(block.embeddings_nD)) for block in candidates.pool.blocks()]
    embeddings = np.concatenate(blocks)
    check_finite(embeddings.sum(axis=1), candidates.rows_m, "embedding")
    return embeddings


def first_of_best(values: Floats | Exact, positions: Rows, candidates: Candidates) -> int:
    """Return the index of the largest value; among equals the one of lowest item id.

    ``positions`` are the candidates the values belong to.
    """
    best = int(np.argmax(values))
    tied = np.flatnonzero(values == values[best])
    if len(tied) == 1:
        return best
    ids = candidates.pool.item_ids(candidates.rows_m[positions[tied]])
    return int(tied[min(range(len(tied)), key=ids.__getitem__)])

"""What a scorer is, and what scoring a pool with one means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Array, Floats, Rows
from nextlabel.strategies.arithmetic.exact import as_scores, on_grid
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.passes.nearest import check_finite
from nextlabel.strategies.passes.parts import map_blocks
from nextlabel.strategies.pool import Block, Pool


class Scorer(Protocol):
    """A pointwise acquisition function.

    A row's score depends on that row and the context alone, so that any cut of the pool gives the same
    scores. Embeddings come in float64 on a grid on which their products are exact (see ``exact``), and scores
    are rounded to 2^-30: work in float64 and on a scale of about 1, and every processor ranks alike.
    ``score`` is called from several threads at once and must not change the scorer.

    Attributes:
        needs: inputs the context must hold.
    """

    @property
    def needs(self) -> frozenset[Need]: ...  # noqa: D102
    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return one score a row, shape (n,); higher = ask."""
        ...


@runtime_checkable
class PoolScorer(Scorer, Protocol):
    """A scorer that must see the pool once before it can score a row."""

    def fit(self, pool: Pool, context: SelectionContext) -> Scorer:
        """Return the scorer for this pool; may stream it."""
        ...


def score_pool(pool: Pool, scorer: Scorer, context: SelectionContext) -> Iterator[tuple[Rows, Floats]]:
    """Yield (rows_n, scores_n) tile by tile in stream order.

    Raises:
        NotFiniteError: a score is NaN or infinite.
    """
    return map_blocks(pool, BlockScores(fitted(scorer, pool, context), context))


@dataclass(frozen=True, slots=True)
class BlockScores:
    """The rows and scores of a block by a scorer that has seen the pool; pickles if the scorer does.

    Raises, when called:
        NotFiniteError: a score is NaN or infinite.
    """

    scorer: Scorer
    context: SelectionContext

    def __call__(self, block: Block) -> tuple[Rows, Floats]:
        """Return (rows_n, scores_n)."""
        rows_n = block.rows_n
        if len(block) == 0:
            return rows_n, np.empty(0, np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            exact = Block(rows_n, on_grid(block.embeddings_nD)) if self.scorer.needs else block
            scores_n = as_scores(self.scorer.score(exact, self.context))
        check_finite(scores_n, rows_n, "score")
        return rows_n, scores_n

    def __reduce__(self) -> tuple[type[BlockScores], tuple[Scorer, SelectionContext]]:
        # Distances kept between rounds are one number for every row of the pool, and no scorer's business.
        return BlockScores, (self.scorer, replace(self.context, nearest=None))


def fitted(scorer: Scorer, pool: Pool, context: SelectionContext) -> Scorer:
    """Return the scorer for this pool."""
    return scorer.fit(pool, context) if isinstance(scorer, PoolScorer) else scorer

"""The audit share: a part of every batch drawn uniformly at random, with its probability kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Array, Rows
from nextlabel.strategies.arithmetic.randomness import generator, row_uniforms
from nextlabel.strategies.candidates import AuditDraw, Candidates
from nextlabel.strategies.composition.around import Around
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.passes.best_rows import BestRows
from nextlabel.strategies.passes.parts import PoolInParts, row_numbers
from nextlabel.strategies.pool import Block, Pool
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import Strategy

REASON = "audit: uniform draw"


@dataclass(frozen=True, slots=True)
class Audited(Around):
    """A strategy whose batches contain uniform draws from the whole pool.

    A batch of k has k * share audit rows, rounded up or down at random so that the share is right on
    average. The strategy chooses the rest from what the audit left. Sums over either kind of row, weighted by the
    inverse of the recorded probability, are unbiased: a row of the audit was drawn with a / N, and another one
    was left by the audit and then chosen, with (1 - a / N) times the strategy's own probability.

    Attributes:
        inner: the strategy that fills the rest.
        share: expected share of audit rows, in [0, 1].
    """

    inner: Strategy
    share: float

    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """Return the audit draw and the inner strategy's candidates beside it."""
        if k < 1:
            raise ParameterError(f"k: {k}; a batch has at least 1 item")
        context.check(self.needs, self.name)
        rng = generator(context.seed, "audit/size")
        size = min(int(self.share * k + rng.random()), len(pool))
        draw = draw_audit(pool, size, context.seed)
        return replace(self.inner.shortlist(without(pool, draw.rows_a), max(1, k - size), context), audit=draw)

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Let the inner strategy fill what the audit leaves; audit rows come last."""
        draw = candidates.audit
        if draw is None:
            return self.inner.pick(candidates, k, context)
        room = k - len(draw.rows_a)
        chosen = self.inner.pick(candidates, room, context) if room > 0 else Selection.empty()
        left = 1 - draw.probability
        chosen = replace(chosen, inclusion_probabilities_k=chosen.inclusion_probabilities_k * left)
        return chosen.then(audit_selection(draw))


def with_audit(strategy: Strategy, share: float) -> Strategy:
    """Return the strategy with this share of uniform picks in each batch.

    Raises:
        ParameterError: the share is outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ParameterError(f"audit share: {share}; must be between 0 and 1")
    return Audited(strategy, share)


def draw_audit(pool: Pool, size: int, seed: int) -> AuditDraw:
    """Draw ``size`` rows of the pool uniformly without replacement; reads row numbers only."""
    if size == 0:
        return AuditDraw(np.empty(0, np.int64), 0.0)
    best = BestRows(size, pool.item_ids)
    for rows_n in row_numbers(pool):
        best.add(rows_n, row_uniforms(rows_n, seed, "audit"))
    return AuditDraw(best.ordered()[0], size / len(pool))


def without(pool: Pool, rows: Rows) -> Pool:
    """Return the pool without some of its rows."""
    return pool.without(rows) if isinstance(pool, PoolInParts) else WithoutRows(pool, rows)


class WithoutRows:
    """A pool without some of its rows; its blocks are views."""

    def __init__(self, source: Pool, rows: Rows) -> None:
        self._source = source
        self._gone = np.sort(rows)

    def __len__(self) -> int:
        return len(self._source) - len(self._gone)

    def blocks(self) -> Iterator[Block]:
        """Yield what lies between the rows left out."""
        for block in self._source.blocks():
            gone = np.flatnonzero(np.isin(block.rows_n, self._gone))
            for start, stop in pairwise([-1, *gone.tolist(), len(block)]):
                if stop > start + 1:
                    yield Block(block.rows_n[start + 1 : stop], block.embeddings_nD[start + 1 : stop])

    def take(self, rows: Rows) -> Array:
        """Return the source's embeddings."""
        return self._source.take(rows)

    def item_ids(self, rows: Rows) -> Sequence[str]:
        """Return the source's ids."""
        return self._source.item_ids(rows)


def audit_selection(draw: AuditDraw) -> Selection:
    """Return the audit draw as a selection."""
    size = len(draw.rows_a)
    return Selection(
        draw.rows_a,
        np.full(size, np.nan, np.float32),
        np.full(size, draw.probability),
        (REASON,) * size,
        np.ones(size, np.bool_),
    )


def without_rows(selection: Selection, rows: Rows) -> Selection:
    """Return the selection without these rows."""
    return selection.only(np.flatnonzero(~np.isin(selection.rows_k, rows)))

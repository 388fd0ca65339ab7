"""The audit share: a part of every batch drawn uniformly at random, with its probability kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nextlabel.strategies.arrays import Rows
from nextlabel.strategies.best_rows import BestRows
from nextlabel.strategies.candidates import AuditDraw, Candidates
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.pool import Pool
from nextlabel.strategies.randomness import generator, row_uniforms
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import ParameterValue, Strategy, TwoSteps

REASON = "audit: uniform draw"


@dataclass(frozen=True, slots=True)
class Audited(TwoSteps):
    """A strategy whose batches contain uniform draws from the whole pool.

    A batch of k has k * share audit rows, rounded up or down at random so that the share is right on
    average. Estimates weighted by their probability are unbiased whatever the strategy prefers. A row
    drawn for the audit stays an audit row if the strategy wants it too.

    Attributes:
        inner: the strategy that fills the rest.
        share: expected share of audit rows, in [0, 1].
    """

    inner: Strategy
    share: float

    @property
    def name(self) -> str:
        """The inner strategy's name."""
        return self.inner.name

    @property
    def params(self) -> Mapping[str, ParameterValue]:
        """The inner strategy's parameters."""
        return self.inner.params

    @property
    def needs(self) -> frozenset[Need]:
        """What the inner strategy needs."""
        return self.inner.needs

    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """Return the inner strategy's candidates together with the audit draw."""
        candidates = self.inner.shortlist(pool, k, context)
        rng = generator(context.seed, "audit/size")
        size = min(int(self.share * k + rng.random()), len(pool))
        return replace(candidates, audit=draw_audit(pool, size, context.seed))

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Let the inner strategy fill what the audit leaves; audit rows come last."""
        draw = candidates.audit
        if draw is None or len(draw.rows_a) == 0:
            return self.inner.pick(candidates, k, context)
        room = max(0, k - len(draw.rows_a))
        chosen = Selection.empty()
        # Asking for the room alone keeps the strategy's own batch; the whole k covers any overlap.
        for wanted in (room, k):
            if len(chosen) < room:
                chosen = without_rows(self.inner.pick(candidates, wanted, context), draw.rows_a)
        return chosen.only(np.arange(min(room, len(chosen)))).then(audit_selection(draw))


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
    for block in pool.blocks():
        best.add(block.rows_n, row_uniforms(block.rows_n, seed, "audit"))
    return AuditDraw(best.ordered()[0], size / len(pool))


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

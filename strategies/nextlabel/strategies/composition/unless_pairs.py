"""Another strategy where rows are pairs."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.strategies.candidates import Candidates
from nextlabel.strategies.composition.around import Around
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.heads import ComparisonHead
from nextlabel.strategies.pool import Pool
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import Strategy


@dataclass(frozen=True, slots=True)
class UnlessPairs(Around):
    """Uses another strategy for pairs, of which embeddings side by side say little.

    Attributes:
        inner: the strategy for everything else.
        of_pairs: the strategy for pairs.
    """

    inner: Strategy
    of_pairs: Strategy

    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """Shortlist with the strategy whose case it is."""
        return self._current(context).shortlist(pool, k, context)

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Pick with the strategy whose case it is."""
        return self._current(context).pick(candidates, k, context)

    def _current(self, context: SelectionContext) -> Strategy:
        return self.of_pairs if context.pairs or isinstance(context.predictor, ComparisonHead) else self.inner

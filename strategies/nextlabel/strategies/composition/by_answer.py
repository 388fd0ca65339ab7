"""Another strategy where answers are about pairs, or name any number of classes."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.strategies.candidates import Candidates
from nextlabel.strategies.composition.around import Around
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.heads import ComparisonHead, YesNoHeads
from nextlabel.strategies.pool import Pool
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import Strategy


@dataclass(frozen=True, slots=True)
class ByAnswer(Around):
    """Uses the strategy for the kind of answer: embeddings of pairs side by side, for instance, say little.

    Attributes:
        inner: the strategy where one class, or a score, is the answer.
        of_pairs: the strategy for pairs.
        of_sets: the strategy where any number of classes is the answer.
    """

    inner: Strategy
    of_pairs: Strategy
    of_sets: Strategy

    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """Shortlist with the strategy whose case it is."""
        return self._current(context).shortlist(pool, k, context)

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Pick with the strategy whose case it is."""
        return self._current(context).pick(candidates, k, context)

    def _current(self, context: SelectionContext) -> Strategy:
        predictor, labeled = context.predictor, context.labeled
        if context.pairs or isinstance(predictor, ComparisonHead):
            return self.of_pairs
        sets = isinstance(predictor, YesNoHeads) or (labeled is not None and labeled.sets_LC is not None)
        return self.of_sets if sets else self.inner

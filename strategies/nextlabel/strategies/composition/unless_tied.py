"""What to do when a score says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nextlabel.strategies.candidates import Candidates
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.pool import Pool
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import ParameterValue, ScoreAndPick, Strategy, TwoSteps


@dataclass(frozen=True, slots=True)
class UnlessTied(TwoSteps):
    """Uses another strategy where every row of the shortlist scores the same.

    So does the margin while one class is labeled; the first rows by item id would be as good as any, and a batch
    of near-duplicates. The shortlist must hold more rows than the batch.

    Attributes:
        first: the strategy that scores.
        otherwise: one that scores nothing and needs no more than ``first``.
    """

    first: ScoreAndPick
    otherwise: Strategy

    @property
    def name(self) -> str:
        """The first strategy's name."""
        return self.first.name

    @property
    def params(self) -> Mapping[str, ParameterValue]:
        """The first strategy's parameters."""
        return self.first.params

    @property
    def needs(self) -> frozenset[Need]:
        """What both need."""
        return self.first.needs | self.otherwise.needs

    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """Shortlist with the strategy that can tell rows apart."""
        context.check(self.needs, self.name)
        candidates = self.first.shortlist(pool, k, context)
        scores_m = candidates.scores_m
        if scores_m is None or len(pool) <= k or scores_m.min() < scores_m.max():
            return candidates
        return self.otherwise.shortlist(pool, k, context)

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Pick with the strategy that made the shortlist."""
        return (self.first if candidates.scores_m is not None else self.otherwise).pick(candidates, k, context)

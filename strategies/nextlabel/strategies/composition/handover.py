"""Two strategies in turn: one for the cold start, one for when the learner can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nextlabel.strategies.candidates import Candidates
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.pool import Pool
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import ParameterValue, Strategy, TwoSteps


@dataclass(frozen=True, slots=True)
class Handover(TwoSteps):
    """Uses ``first`` until there are ``switch_at`` labels of at least two classes, then ``second``.

    A class that appears later changes nothing: the second strategy works on whatever classes the
    learner knows.
    """

    first: Strategy
    second: Strategy
    switch_at: int = 100

    @property
    def name(self) -> str:
        """Both names, as in ``typiclust>margin``."""
        return f"{self.first.name}>{self.second.name}"

    @property
    def params(self) -> Mapping[str, ParameterValue]:
        """When to switch."""
        return {"switch_at": self.switch_at}

    @property
    def needs(self) -> frozenset[Need]:
        """What the first strategy needs; the second takes over only when its needs are met."""
        return self.first.needs

    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """Shortlist with the strategy whose turn it is."""
        return self.current(context).shortlist(pool, k, context)

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Pick with the strategy whose turn it is."""
        return self.current(context).pick(candidates, k, context)

    def current(self, context: SelectionContext) -> Strategy:
        """Return the strategy whose turn it is."""
        labels = 0 if context.labeled is None else len(context.labeled)
        classes = 0 if context.predictor is None else context.predictor.n_classes
        ready = labels >= self.switch_at and classes > 1 and not context.missing(self.second.needs)
        return self.second if ready else self.first

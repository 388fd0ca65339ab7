"""The highest scores: plain, and of scores perturbed for power sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Floats, Rows
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.passes.best_rows import BestRows


@dataclass(frozen=True, slots=True)
class Top:
    """The k highest scores, ties by item id."""

    @property
    def needs(self) -> frozenset[Need]:
        """Nothing beyond the scores."""
        return frozenset()

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose the k best."""
        if candidates.scores_m is None:
            raise ParameterError("picker 'top' needs a scorer; compose it with one")
        return Picks(best_positions(candidates, candidates.scores_m, k))


def best_positions(candidates: Candidates, scores_m: Floats, k: int) -> Rows:
    """Return the positions of the k highest scores, best first, ties by item id."""
    rows_m = candidates.rows_m
    best = BestRows(k, lambda positions: candidates.pool.item_ids(rows_m[positions]))
    best.add(np.arange(len(rows_m), dtype=np.int64), scores_m)
    return best.ordered()[0]


@dataclass(frozen=True, slots=True)
class UniformSample:
    """The k highest of uniform random scores: a sample in which each pool row has probability k / N."""

    @property
    def needs(self) -> frozenset[Need]:
        """Nothing beyond the scores."""
        return frozenset()

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose the k best and state their probability."""
        picks = Top().pick(candidates, k, context, rng)
        return Picks(picks.positions_k, np.full(k, k / candidates.pool_size, np.float32))

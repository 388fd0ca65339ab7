"""Greedy selection by a value that falls as picks come near: k-center and ranked batch, exact and lazy.

Distances only shrink as rows are picked, so a row's value computed with an old distance is an upper
bound. The picker works on the rows of highest bound alone; while its best value exceeds every bound
outside, no row outside can be the next pick. When it does not, one pass brings all bounds up to date
with many picks at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nextlabel.strategies.arrays import Floats, Rows
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.nearest import nearest_squared_distance
from nextlabel.strategies.pickers.distances import embeddings_of, first_of_best, to_labeled

KEPT = 3000
"""Rows held in memory between passes over all candidates; 5 MB at 384 dimensions, which stay in the cache."""


class Value(Protocol):
    """What a row is worth, given its distance to everything labeled or picked."""

    def at(self, near: Floats, positions: Rows, step: int) -> Floats:
        """Return the value at pick number ``step``; must not fall when ``near`` grows."""
        ...

    def rise(self, since: int, step: int) -> float:
        """Return how much any row's value can grow between two steps at equal distance."""
        ...


@dataclass(frozen=True, slots=True)
class KCenter:
    """Repeatedly the row farthest from everything labeled or picked (Sener and Savarese 2018, 1708.00489).

    Without labels the first pick is random.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings."""
        return frozenset({Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k by farthest-first traversal."""
        return Picks(pick_by_value(candidates, to_labeled(candidates, context), k, Distance(), rng))


@dataclass(frozen=True, slots=True)
class RankedBatch:
    """Repeatedly the row of highest a (1 - s) + (1 - a) u (Cardoso et al. 2017, as in modAL).

    u is the score (least confidence), s = 1 / (1 + distance to the nearest labeled or picked row) and
    a = unpicked / (unpicked + labeled + picked).
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings; the scorer brings its own needs."""
        return frozenset({Need.EMBEDDINGS, Need.LABELED})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k one after the other."""
        if candidates.scores_m is None:
            raise ParameterError("picker 'ranked_batch' needs a scorer; compose it with least confidence")
        value = Ranked(candidates.scores_m, len(candidates), len(context.require_labeled()))
        return Picks(pick_by_value(candidates, to_labeled(candidates, context), k, value, rng))


@dataclass(frozen=True, slots=True)
class Distance:
    """The squared distance itself."""

    def at(self, near: Floats, positions: Rows, step: int) -> Floats:
        """Return the distance."""
        return near

    def rise(self, since: int, step: int) -> float:
        """Return 0."""
        return 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """The value of ranked batch selection."""

    uncertainty_m: Floats
    n_candidates: int
    n_labeled: int

    def at(self, near: Floats, positions: Rows, step: int) -> Floats:
        """Return a (1 - s) + (1 - a) u."""
        weight = self._weight(step)
        value = near / (near + np.sqrt(near) + np.float32(1e-12))
        value *= weight
        value += (1 - weight) * self.uncertainty_m[positions]
        return value

    def rise(self, since: int, step: int) -> float:
        """Return the fall of a: u and 1 - s lie in [0, 1]."""
        return self._weight(since) - self._weight(step)

    def _weight(self, step: int) -> float:
        return (self.n_candidates - step) / (self.n_candidates + self.n_labeled)


def pick_by_value(candidates: Candidates, near_m: Floats, k: int, value: Value, rng: np.random.Generator) -> Rows:
    """Return ``k`` positions, each the best at its step; updates ``near_m``."""
    everything = np.arange(len(candidates), dtype=np.int64)
    picked: list[int] = []
    if np.isinf(near_m).any():
        picked.append(int(rng.integers(len(candidates))))
    known = 0
    near_m = near_m.copy()
    while len(picked) < k:
        if picked[known:]:
            fresh = np.asarray(picked[known:], np.int64)
            nearest_squared_distance(candidates.pool, embeddings_of(candidates, fresh), near_m)
            known = len(picked)
        bounds = value.at(near_m, everything, len(picked)).copy()
        bounds[picked] = -np.inf
        picked.append(first_of_best(bounds, everything, candidates))
        _pick_from_kept(candidates, near_m, bounds, picked, k, value)
    return np.asarray(picked, np.int64)


def _pick_from_kept(
    candidates: Candidates, near_m: Floats, bounds: Floats, picked: list[int], k: int, value: Value
) -> None:
    """Extend ``picked``, whose last entry the bounds do not know, while no row outside can win."""
    if len(picked) == k:
        return
    since = len(picked) - 1
    kept, limit = _highest(bounds)
    embeddings = embeddings_of(candidates, kept)
    norms = np.einsum("md,md->m", embeddings, embeddings)
    near = near_m[kept]
    gone = np.isneginf(bounds[kept])
    point = embeddings_of(candidates, np.asarray(picked[-1:], np.int64))[0]
    gone |= kept == picked[-1]
    while len(picked) < k:
        distances = norms - 2 * (embeddings @ point) + point @ point
        np.minimum(near, np.maximum(distances, 0), out=near)
        values = value.at(near, kept, len(picked)).copy()
        values[gone] = -np.inf
        best = first_of_best(values, kept, candidates)
        if values[best] <= limit + value.rise(since, len(picked)):
            return
        picked.append(int(kept[best]))
        point, gone[best] = embeddings[best], True


def _highest(bounds: Floats) -> tuple[Rows, float]:
    """Return the positions of the KEPT highest bounds, ascending, and the highest bound outside."""
    if len(bounds) <= KEPT:
        return np.arange(len(bounds), dtype=np.int64), -np.inf
    order = np.argpartition(bounds, -KEPT)
    return np.sort(order[-KEPT:]), float(bounds[order[:-KEPT]].max())

"""Greedy selection by a value that falls as picks come near: k-center and ranked batch, exact and lazy.

Distances only shrink as rows are labeled or picked, so a row's value computed with an old distance is an
upper bound (Minoux 1978). The picker brings the rows of highest bound up to date and picks among them while
their best value exceeds every bound outside; then it does the same with the rows that are highest now. When
it has read a good part of the pool that way, one pass brings all bounds up to date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Floats, Rows
from nextlabel.strategies.arithmetic.exact import on_grid
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.passes.nearest import Bounds, nearest_of, nearest_squared_distance
from nextlabel.strategies.pickers.distances import bounds_to_labeled, embeddings_of, first_of_best

KEPT = 1000
"""Rows brought up to date together; 1.5 MB at 384 dimensions, which stay in the cache of a core."""

PASS_SHARE = 0.25
"""Share of the candidates that may be fetched out of order before a pass over all of them is cheaper."""


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
        return Picks(pick_by_value(candidates, bounds_to_labeled(candidates, context), k, Distance(), rng))


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
        return Picks(pick_by_value(candidates, bounds_to_labeled(candidates, context), k, value, rng))


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


def pick_by_value(candidates: Candidates, bounds: Bounds, k: int, value: Value, rng: np.random.Generator) -> Rows:
    """Return ``k`` positions, each the best at its step."""
    search = _Search(candidates, bounds, value)
    if np.isinf(search.near_m).any():
        search.pick(int(rng.integers(len(candidates))))
    fetched = len(candidates) if len(search.picked) else 0
    while len(search.picked) < k:
        if fetched > PASS_SHARE * len(candidates):
            search.pass_over_all()
            search.pick_best_of_exact()
            fetched = 0
        settled = search.pick_from_highest(k)
        fetched = fetched + KEPT if settled else len(candidates)
    return np.asarray(search.picked, np.int64)


class _Search:
    """Picks made so far, and upper bounds of every candidate's distance to what is labeled or picked.

    Attributes:
        near_m: the bounds, squared; they miss ``points``.
        points: chosen embeddings that some bounds do not know yet.
        picked: positions, in order.
    """

    def __init__(self, candidates: Candidates, bounds: Bounds, value: Value) -> None:
        self._candidates = candidates
        self._value = value
        self._everything = np.arange(len(candidates), dtype=np.int64)
        self.near_m = bounds.near_m.copy()
        self.points = [on_grid(bounds.missing_pD)] if len(bounds.missing_pD) else []
        self.picked: list[int] = []

    def pick(self, position: int) -> None:
        """Add a pick."""
        self.picked.append(position)
        self.points.append(embeddings_of(self._candidates, np.asarray([position], np.int64)))

    def pass_over_all(self) -> None:
        """Make all bounds exact."""
        if self.points:
            nearest_squared_distance(self._candidates.pool, np.concatenate(self.points), self.near_m)
        self.points = []

    def pick_best_of_exact(self) -> None:
        """Pick the best candidate of all; the bounds must be exact."""
        self.pick(first_of_best(self._bounds(), self._everything, self._candidates))

    def pick_from_highest(self, k: int) -> bool:
        """Bring the highest bounds up to date and pick while no row outside can win.

        Returns False where a row outside ties with the best, which only exact bounds can settle.
        """
        since = len(self.picked)
        kept, limit = _highest(self._bounds())
        embeddings = embeddings_of(self._candidates, kept)
        near = self.near_m[kept]
        if self.points:
            near = np.minimum(near, nearest_of(embeddings, np.concatenate(self.points)))
        gone = np.isin(kept, self.picked)
        reached = np.inf
        while len(self.picked) < k:
            values = np.where(gone, -np.inf, self._value.at(near, kept, len(self.picked)))
            best = first_of_best(values, kept, self._candidates)
            reached, barrier = values[best], limit + self._value.rise(since, len(self.picked))
            if reached <= barrier:
                break
            point, gone[best] = embeddings[best], True
            self.picked.append(int(kept[best]))
            self.points.append(point[None])
            np.minimum(near, nearest_of(embeddings, point[None]), out=near)
        self.near_m[kept] = near
        return bool(reached < limit or len(self.picked) > since)

    def _bounds(self) -> Floats:
        bounds = self._value.at(self.near_m, self._everything, len(self.picked)).copy()
        bounds[self.picked] = -np.inf
        return bounds


def _highest(bounds: Floats) -> tuple[Rows, float]:
    """Return the positions of the KEPT highest bounds, ascending, and the highest bound outside."""
    if len(bounds) <= KEPT:
        return np.arange(len(bounds), dtype=np.int64), -np.inf
    order = np.argpartition(bounds, -KEPT)
    return np.sort(order[-KEPT:]), float(bounds[order[:-KEPT]].max())

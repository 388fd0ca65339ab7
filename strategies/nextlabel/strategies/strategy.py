"""A strategy: score, shortlist, pick."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Floats, Rows
from nextlabel.strategies.arithmetic.randomness import generator
from nextlabel.strategies.candidates import Candidates, Picker, SubPool
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.passes.best_rows import BestRows
from nextlabel.strategies.passes.nearest import pool_rows
from nextlabel.strategies.passes.parts import ONE_THREAD, PoolInParts
from nextlabel.strategies.passes.tiles import THREADS, Tile, map_tiles
from nextlabel.strategies.pool import Pool
from nextlabel.strategies.scorer import BlockScores, Scorer, fitted, score_pool
from nextlabel.strategies.scorers.random import Random
from nextlabel.strategies.scorers.rough import contested
from nextlabel.strategies.selection import Selection

ParameterValue = bool | int | float | str | None


class Strategy(Protocol):
    """A named way to choose a query batch.

    ``shortlist`` makes the one streaming pass; ``pick`` chooses from what it kept. They are separate so
    that something else, an LLM for instance, can choose from the shortlist.

    Attributes:
        name: the registered name.
        params: the parameters it was made with.
        needs: inputs the context must hold.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def params(self) -> Mapping[str, ParameterValue]: ...  # noqa: D102
    @property
    def needs(self) -> frozenset[Need]: ...  # noqa: D102
    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """Return the candidates for a batch of ``k``.

        Raises:
            UnmetNeedError: the context lacks an input; raised before the pool is read.
            NotFiniteError: a score or distance is NaN or infinite.
            ParameterError: k is below 1.
        """
        ...

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Choose min(k, number of candidates) rows."""
        ...

    def select(self, pool: Pool, k: int, context: SelectionContext) -> Selection:
        """Return ``pick`` of ``shortlist``: min(k, N) unique rows."""
        ...


class TwoSteps(ABC):
    """Selects by ``shortlist``, then ``pick``: the base of the strategies here."""

    __slots__ = ()

    @abstractmethod
    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """See Strategy.shortlist."""

    @abstractmethod
    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """See Strategy.pick."""

    def select(self, pool: Pool, k: int, context: SelectionContext) -> Selection:
        """See Strategy.select."""
        return self.pick(self.shortlist(pool, k, context), k, context)


@dataclass(frozen=True, slots=True)
class ShortlistSize:
    """How many candidates a batch of k gets: max(at_least, per_pick * k) + extra."""

    per_pick: int = 1
    at_least: int = 0
    extra: int = 0

    def of(self, k: int) -> int:
        """Return the number of candidates for a batch of ``k``."""
        return max(self.at_least, self.per_pick * k) + self.extra


@dataclass(frozen=True, slots=True)
class ScoreAndPick(TwoSteps):
    """The usual strategy: a scorer shortlists, a picker chooses.

    Attributes:
        name: the registered name.
        picker: the setwise choice.
        scorer: None draws the shortlist uniformly at random.
        size: None makes the whole pool the candidates.
        reason: recorded with every pick that has no reason of its own.
        params: the parameters the strategy was made with.
    """

    name: str
    picker: Picker
    scorer: Scorer | None = None
    size: ShortlistSize | None = None
    reason: str = ""
    params: Mapping[str, ParameterValue] = field(default_factory=dict)

    @property
    def needs(self) -> frozenset[Need]:
        """What scorer and picker need together."""
        return self.picker.needs | (self.scorer.needs if self.scorer is not None else frozenset())

    def shortlist(self, pool: Pool, k: int, context: SelectionContext) -> Candidates:
        """Score the pool and keep the best rows; without a size, keep all of them."""
        if k < 1:
            raise ParameterError(f"k: {k}; a batch has at least 1 item")
        context.check(self.needs, self.name)
        if self.size is None:
            return whole_pool(pool, self.scorer, context)
        size = self.size.of(k)
        if self.scorer is None and len(pool) <= size:
            return whole_pool(pool, None, context)
        return best_of(pool, self.scorer if self.scorer is not None else Random(), size, context)

    def pick(self, candidates: Candidates, k: int, context: SelectionContext) -> Selection:
        """Let the picker choose."""
        k = min(k, len(candidates))
        if k == 0:
            return Selection.empty()
        picks = self.picker.pick(candidates, k, context, generator(context.seed, self.name))
        return Selection.from_picks(candidates, picks, self.reason or self.name)


def best_of(pool: Pool, scorer: Scorer, size: int, context: SelectionContext) -> Candidates:
    """Return the ``size`` rows of highest score, best first, ties by item id."""
    best = BestRows(size, pool.item_ids)
    shortlist = Shortlist(BlockScores(fitted(scorer, pool, context), context), size)
    if isinstance(pool, PoolInParts):
        for rows_n, scores_n in pool.map_parts(shortlist):
            best.add(rows_n, scores_n)
    else:
        shortlist.fill(best, pool, THREADS)
    rows_m, scores_m = best.ordered()
    return Candidates(SubPool(pool, rows_m), rows_m, len(pool), scores_m)


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Work on a part of a pool: which of its rows may be among the ``size`` best of the whole.

    Attributes:
        scores: the scorer, fitted to the pool.
        size: how many rows the shortlist of the pool has.
    """

    scores: BlockScores
    size: int

    def __call__(self, part: Pool) -> tuple[Rows, Floats]:
        """Return (rows, scores) of the part's best; all that tie at the cut, because ids are not known here."""
        best = BestRows(self.size, None)
        self.fill(best, part, ONE_THREAD)
        return best.kept()

    def fill(self, best: BestRows, pool: Pool, threads: int) -> None:
        """Offer the scored rows of every tile, but for those that cannot be among the best."""

        def score(tile: Tile) -> tuple[Rows, Floats]:
            with np.errstate(invalid="ignore", over="ignore"):
                block = contested(tile.block, self.size, best.least, self.scores.scorer, self.scores.context)
            return self.scores(block)

        for rows_n, scores_n in map_tiles(pool, score, threads):
            best.add(rows_n, scores_n)


def whole_pool(pool: Pool, scorer: Scorer | None, context: SelectionContext) -> Candidates:
    """Return all rows as candidates in stream order, scored if there is a scorer."""
    if scorer is None or len(pool) == 0:
        return Candidates(pool, pool_rows(pool), len(pool))
    rows, scores = zip(*score_pool(pool, scorer, context), strict=True)
    return Candidates(pool, np.concatenate(rows), len(pool), np.concatenate(scores))

"""Greedy choice of rows that cover a pool.

The objective, the weighted mean over all rows of the kernel similarity to the nearest chosen row, is submodular, so a
gain computed earlier is an upper bound and only candidates of highest bound are evaluated again (lazy greedy, Minoux
1978). The first bounds come from float32, at their most mistaken, which costs a fraction of exact gains of all; exact
ones decide, so that picks are the same on every processor. No m x m matrix is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nextlabel.strategies.arithmetic.arrays import Exact, Floats, Rows
from nextlabel.strategies.arithmetic.blas import single_threaded_blas
from nextlabel.strategies.candidates import Candidates
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.heads import SMALLEST
from nextlabel.strategies.passes.nearest import nearest_of
from nextlabel.strategies.pickers.distances import first_of_best

REVIEWED = 16
"""Candidates evaluated anew at once."""

COMPARED = 64
"""Candidates compared with all rows at once, those most likely to be evaluated soon."""

TILE = 512
"""Rows and candidates compared at once in float32; 1 MB of similarities stays in the cache."""

MOST_KEPT = 1024
"""Candidates whose similarities to all rows are kept, at 5,000 rows in 20 MB."""

SIMILARITY_GRID = 2.0**-20
WEIGHT_GRID = 2.0**-16
"""Products of both, summed over up to 2^17 rows, are exact in float64; similarities by themselves are in float32."""

FLOAT32_UNIT, FLOAT32_MOST = 2.0**-24, float(np.finfo(np.float32).max)
ROUGHLY = 2 * SIMILARITY_GRID
"""By how much a similarity is rounded, and by how much exp errs in float32."""


class Kernel(Protocol):
    """Similarity in [0, 1] as a function of squared distance."""

    def __call__(self, squared: Exact) -> Exact:
        """Return the similarity, a multiple of SIMILARITY_GRID."""
        ...

    def at_most(self, closeness: Floats, unit: float) -> Floats:
        """Return what the similarity is no more than ROUGHLY above, float32.

        ``closeness`` is minus the squared distance in units of ``unit``, and may be overwritten.
        """
        ...


@dataclass(frozen=True, slots=True)
class Gaussian:
    """exp(-squared distance / (2 scale^2))."""

    scale: float

    def __call__(self, squared: Exact) -> Exact:
        """Return the similarity on SIMILARITY_GRID."""
        similarity = np.exp(squared * (-0.5 / self.scale**2))
        similarity /= SIMILARITY_GRID
        return np.rint(similarity, out=similarity) * SIMILARITY_GRID

    def at_most(self, closeness: Floats, unit: float) -> Floats:
        """Return the same in float32."""
        closeness *= np.float32(min(0.5 * unit / self.scale**2, FLOAT32_MOST))
        return np.exp(closeness, out=closeness)


@dataclass(frozen=True, slots=True)
class Ball:
    """1 within the radius, 0 outside."""

    radius: float

    def __call__(self, squared: Exact) -> Exact:
        """Return the similarity."""
        return (squared <= self.radius**2).astype(np.float64)

    def at_most(self, closeness: Floats, unit: float) -> Floats:
        """Return the same in float32."""
        return (closeness >= -(self.radius**2) / unit).astype(np.float32)


class Similarities:
    """Exact similarities of candidates to all rows; those computed last are kept."""

    def __init__(self, embeddings_mD: Exact, kernel: Kernel) -> None:
        self._embeddings_mD, self._kernel = embeddings_mD, kernel
        self._norms_m = np.einsum("md,md->m", embeddings_mD, embeddings_mD)
        self._kept: dict[int, Floats] = {}

    def of(self, wanted: Rows, soon: Rows) -> Floats:
        """Return the similarities of the candidates wanted to every row, shape (len(wanted), m).

        ``soon`` holds ``wanted`` and what is likely to be wanted next: if any of the former has to be computed, all of
        the latter are, because reading the rows is what takes the time.
        """
        if any(position not in self._kept for position in wanted.tolist()):
            if len(self._kept) + len(soon) > MOST_KEPT:
                self._kept.clear()
            missing = [position for position in soon.tolist() if position not in self._kept]
            self._kept.update(zip(missing, self._computed(np.asarray(missing)), strict=True))
        return np.stack([self._kept[position] for position in wanted.tolist()])

    def _computed(self, positions: Rows) -> Floats:
        squared = self._embeddings_mD[positions] @ self._embeddings_mD.T
        squared *= -2
        squared += self._norms_m
        squared += self._norms_m[positions, None]
        return self._kernel(np.maximum(squared, 0, out=squared)).astype(np.float32)


@single_threaded_blas()  # threads wait for each other here longer than they compute
def greedy_cover(
    candidates: Candidates,
    embeddings_mD: Exact,
    weights_m: Exact,
    kernel: Kernel,
    k: int,
    context: SelectionContext,
    offered: Rows,
    first: Sequence[int] = (),
) -> Rows:
    """Return ``k`` positions: those that come first, then of those offered what greedily maximises weighted coverage.

    It is the coverage of the candidates by what is labeled or picked.
    """
    everything = np.arange(len(candidates), dtype=np.int64)
    weights_m = np.rint(weights_m / max(weights_m.max(), SMALLEST) / WEIGHT_GRID) * WEIGHT_GRID
    covered_m = np.zeros(len(candidates), np.float32)
    if len(context.labeled_embeddings):
        covered_m = kernel(nearest_of(embeddings_mD, context.labeled_embeddings).astype(np.float64)).astype(np.float32)
    similarities = Similarities(embeddings_mD, kernel)
    gains_m = np.full(len(candidates), -np.inf)
    gains_m[offered] = most_gained(embeddings_mD, weights_m, covered_m, kernel, offered)
    evaluated_at = np.full(len(candidates), -1, np.int64)
    picked = list(first)
    if picked:
        chosen = np.asarray(picked, np.int64)
        np.maximum(covered_m, similarities.of(chosen, chosen).max(axis=0), out=covered_m)
        gains_m[chosen] = -np.inf
    while len(picked) < k:
        best = first_of_best(gains_m, everything, candidates)
        if evaluated_at[best] == len(picked):
            picked.append(best)
            chosen = everything[best : best + 1]
            np.maximum(covered_m, similarities.of(chosen, chosen)[0], out=covered_m)
            gains_m[best] = -np.inf
            continue
        soon = _highest_stale(gains_m, evaluated_at < len(picked), COMPARED)
        stale = soon[:REVIEWED]
        gained = similarities.of(stale, soon)
        gained -= covered_m
        gains_m[stale] = np.maximum(gained, 0, out=gained) @ weights_m
        evaluated_at[stale] = len(picked)
    return np.asarray(picked, np.int64)


def most_gained(
    embeddings_mD: Exact, weights_m: Exact, covered_m: Floats, kernel: Kernel, offered: Rows
) -> npt.NDArray[np.float64]:
    """Return upper bounds of the gains of the candidates offered, shape (len(offered),).

    Similarity is symmetric: a tile of it serves rows and candidates in both ways.
    """
    m, count = len(embeddings_mD), len(offered)
    rest = np.ones(m, np.bool_)
    rest[offered] = False
    order = np.concatenate([offered, np.flatnonzero(rest)])
    left_mE, right_mE, unit = _factors(embeddings_mD[order])
    left_mE[:, -1] += 4 * (embeddings_mD.shape[1] + 8) * FLOAT32_UNIT * 2
    weights_m, beyond_m = weights_m[order].astype(np.float32), covered_m[order] - np.float32(ROUGHLY)
    gains_m = np.zeros(m)
    tiles = [slice(start, min(start + TILE, m)) for start in range(0, m, TILE)]
    for place, first in enumerate(tiles):
        if first.start >= count:
            break
        for second in tiles[place:]:
            similarity = kernel.at_most(left_mE[second] @ right_mE[first].T, unit)
            gained = similarity - beyond_m[second, None]
            gains_m[first] += weights_m[second] @ np.maximum(gained, 0, out=gained)
            if first != second and second.start < count:
                similarity -= beyond_m[first]
                gains_m[second] += np.maximum(similarity, 0, out=similarity) @ weights_m[first]
    bounds = gains_m[:count] * (1 + 4 * TILE * FLOAT32_UNIT)
    return np.where(np.isfinite(bounds), bounds, np.inf)


def _factors(embeddings_mD: Exact) -> tuple[Floats, Floats, float]:
    """Return rows, float32 (m, D + 2) each, whose products are minus squared distances in a unit, and that unit.

    No row is longer than the square root of the unit, so that nothing overflows.
    """
    squared_m = np.einsum("md,md->m", embeddings_mD, embeddings_mD)
    length = float(np.sqrt(squared_m.max(initial=0))) or 1.0
    rows_mD, squared_m1 = embeddings_mD / length, (squared_m / length**2)[:, None]
    ones_m1 = np.ones_like(squared_m1)
    left = np.concatenate([2 * rows_mD, -ones_m1, -squared_m1], axis=1, dtype=np.float32)
    right = np.concatenate([rows_mD, squared_m1, ones_m1], axis=1, dtype=np.float32)
    return left, right, length**2


def _highest_stale(gains_m: Exact, stale_m: npt.NDArray[np.bool_], count: int) -> Rows:
    """Return the positions of the highest stale bounds, at most ``count``, the highest first."""
    stale = np.flatnonzero(stale_m & (gains_m > -np.inf))
    if len(stale) > count:
        stale = stale[np.argpartition(-gains_m[stale], count - 1)[:count]]
    return stale[np.argsort(-gains_m[stale], kind="stable")]

"""Squared distance from every pool row to its nearest labeled row, kept between rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array, Exact, Floats, Rows, like, to_numpy
from nextlabel.strategies.arithmetic.exact import exactly
from nextlabel.strategies.errors import NotFiniteError
from nextlabel.strategies.passes.parts import map_blocks, row_numbers
from nextlabel.strategies.pool import Block, Pool

MOST_COMPARED = 1 << 22
"""Pairs of rows and centers compared at once; 32 MB of float64."""


def squared_distances(embeddings_nD: Array, centers_mD: Array) -> Array:
    """Return squared Euclidean distances, float64, shape (n, m), at least 0, 0 between equal rows."""
    embeddings, centers = exactly(embeddings_nD), like(exactly(centers_mD), embeddings_nD)
    xp = array_namespace(embeddings)
    # The order of these sums is nearest_of's: both round alike where grids differ.
    distances = embeddings @ centers.T
    distances -= xp.sum(centers * centers, axis=1) / 2
    distances *= -2
    distances += xp.sum(embeddings * embeddings, axis=1)[:, None]
    return xp.clip(distances, 0, None)


def nearest_of(embeddings_nD: Array, centers_mD: Array) -> Floats:
    """Return each row's squared distance to its nearest center, float32, shape (n,); inf without centers.

    A row that is not finite gives NaN or infinity, which callers check.
    """
    if len(centers_mD) == 0:
        return np.full(len(embeddings_nD), np.inf, np.float32)
    embeddings, centers = exactly(embeddings_nD), like(exactly(centers_mD), embeddings_nD)
    xp = array_namespace(embeddings)
    halves_m = xp.sum(centers * centers, axis=1) / 2
    nearest_n = np.empty(len(embeddings_nD), np.float32)
    at_once = max(1, MOST_COMPARED // len(centers_mD))
    for start in range(0, len(nearest_n), at_once):
        part = embeddings[start : start + at_once]
        with np.errstate(invalid="ignore"):
            closeness_bm = part @ centers.T
            closeness_bm -= halves_m
            squared_b = xp.sum(part * part, axis=1) - 2 * xp.max(closeness_bm, axis=1)
        nearest_n[start : start + at_once] = np.maximum(to_numpy(squared_b), 0)
    return nearest_n


def nearest_squared_distance(pool: Pool, centers_mD: Array, near_N: Floats | None = None) -> Floats:
    """Return min(near, squared distance to the nearest center) in stream order, shape (N,).

    ``near_N`` is updated in place when given. One streaming pass.

    Raises:
        NotFiniteError: a row's distance is NaN or infinite.
    """
    near = np.full(len(pool), np.inf, np.float32) if near_N is None else near_N
    if len(centers_mD) == 0:
        return near
    start = 0
    for least_n in map_blocks(pool, _NearestCenter(centers_mD)):
        part = near[start : start + len(least_n)]
        np.minimum(part, least_n, out=part)
        start += len(least_n)
    return near


@dataclass(frozen=True, slots=True)
class _NearestCenter:
    centers_mD: Array

    def __call__(self, block: Block) -> Floats:
        least_n = nearest_of(block.embeddings_nD, self.centers_mD)
        check_finite(least_n, block.rows_n, "distance")
        return least_n


def check_finite(values_n: Floats | Exact, rows_n: Rows, what: str) -> None:
    """Raise NotFiniteError for the first row whose value is NaN or infinite."""
    finite = np.isfinite(values_n)
    if not finite.all():
        raise NotFiniteError(int(rows_n[int(np.argmin(finite))]), what)


MOST_MISSING = 2000
"""Labels that bounds may miss; fetched rows are compared with all of them."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Upper bounds of squared distances to the nearest labeled row.

    Attributes:
        near_m: float32, shape (m,); exact but for the labels missing.
        missing_pD: embeddings of the labels that they miss, shape (p, D).
    """

    near_m: Floats
    missing_pD: Floats

    @classmethod
    def exact(cls, near_m: Floats) -> Bounds:
        """Return bounds that miss nothing."""
        return cls(near_m, np.empty((0, 0), np.float32))


class NearestLabeled:
    """Nearest-labeled distances of a pool that shrinks and grows while labels arrive.

    A later round compares only new labels with known rows, and all labels with new rows. The pool's row
    numbers must be dense: memory is 4 bytes a row number up to the largest. Not safe for threads.
    """

    def __init__(self) -> None:
        self._near = np.empty(0, np.float32)
        self._seen_LD: Floats = np.empty((0, 0), np.float32)

    def copy(self) -> NearestLabeled:
        """Return an independent copy, to try a selection without keeping what it learns."""
        twin = NearestLabeled()
        twin._near, twin._seen_LD = self._near.copy(), self._seen_LD
        return twin

    def update(self, pool: Pool, labeled_LD: Floats) -> Floats:
        """Return squared distances to the nearest labeled row in stream order, shape (N,); inf without labels."""
        seen = len(self._seen_LD)
        if seen and not np.array_equal(labeled_LD[:seen], self._seen_LD):
            self._forget()
        fresh_LD = labeled_LD[len(self._seen_LD) :]
        rows_N = pool_rows(pool)
        self._grow(int(rows_N.max(initial=-1)) + 1)
        near_N = self._near[rows_N]
        unknown_N = np.isinf(near_N)
        if len(fresh_LD) or unknown_N.any():
            all_are_fresh = len(fresh_LD) == len(labeled_LD)
            unknown_U = rows_N[:0] if all_are_fresh else np.sort(rows_N[unknown_N])
            start = 0
            for least_n in map_blocks(pool, _NearestSince(fresh_LD, labeled_LD, unknown_U)):
                part = slice(start, start + len(least_n))
                np.minimum(near_N[part], least_n, out=near_N[part])
                if len(labeled_LD):
                    check_finite(near_N[part], rows_N[part], "distance")
                start = part.stop
        # A row that left the pool misses later labels: it must count as unknown if it comes back.
        self._near[:] = np.inf
        self._near[rows_N] = near_N
        self._seen_LD = labeled_LD.copy()
        return near_N

    def bounds(self, pool: Pool, labeled_LD: Floats) -> Bounds:
        """Return what is known without a pass over the pool, or after one where too little is known."""
        seen = len(self._seen_LD)
        missing_pD = labeled_LD[seen:]
        if seen and len(missing_pD) <= MOST_MISSING and np.array_equal(labeled_LD[:seen], self._seen_LD):
            rows_N = pool_rows(pool)
            self._grow(int(rows_N.max(initial=-1)) + 1)
            near_N = self._near[rows_N]
            if not np.isinf(near_N).any():
                return Bounds(near_N, missing_pD)
        return Bounds.exact(self.update(pool, labeled_LD))

    def _forget(self) -> None:
        self._near[:] = np.inf
        self._seen_LD = self._seen_LD[:0]

    def _grow(self, size: int) -> None:
        if size > len(self._near):
            self._near = np.concatenate([self._near, np.full(size - len(self._near), np.inf, np.float32)])


@dataclass(frozen=True, slots=True)
class _NearestSince:
    """Squared distances to the nearest fresh label; of rows unknown so far, ascending, to the nearest of all."""

    fresh_LD: Floats
    labeled_LD: Floats
    unknown_U: Rows

    def __call__(self, block: Block) -> Floats:
        least_n = nearest_of(block.embeddings_nD, self.fresh_LD)
        if len(self.unknown_U):
            at_n = np.minimum(np.searchsorted(self.unknown_U, block.rows_n), len(self.unknown_U) - 1)
            unknown_u = np.flatnonzero(self.unknown_U[at_n] == block.rows_n)
            embeddings_uD = block.embeddings_nD[like(unknown_u, block.embeddings_nD)]
            least_n[unknown_u] = nearest_of(embeddings_uD, self.labeled_LD)
        return least_n


def pool_rows(pool: Pool) -> Rows:
    """Return all row numbers in stream order, shape (N,)."""
    rows = list(row_numbers(pool))
    return np.concatenate(rows) if rows else np.empty(0, np.int64)

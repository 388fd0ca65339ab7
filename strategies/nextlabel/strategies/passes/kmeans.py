"""Weighted k-means on a shortlist: k-means++ seeding, then Lloyd's iterations by matrix products.

Reproducible from its generator on every processor, which scikit-learn's threaded Lloyd is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from nextlabel.strategies.arithmetic.arrays import Exact, Floats, Rows
from nextlabel.strategies.arithmetic.exact import on_grid
from nextlabel.strategies.arithmetic.rejection import STALE_PICKS, draw_by_distance
from nextlabel.strategies.passes.nearest import nearest_of, squared_distances

ROWS = 4096
"""Rows whose distances to all centers are held at once."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Centers on the grid, shape (k, D), and each point's cluster, int64 (m,)."""

    centers_kD: Exact
    labels_m: Rows


def kmeans(
    points_mD: Exact, k: int, rng: np.random.Generator, weights_m: Floats | None = None, iterations: int = 20
) -> Clusters:
    """Cluster points into ``k``; 1 <= k <= m.

    Args:
        points_mD: on the grid, shape (m, D).
        k: number of clusters; some stay empty when fewer points are distinct.
        rng: seeds the centers.
        weights_m: weight of each point, at least 0 and not all 0; equal when left out.
        iterations: at most this many Lloyd steps; fewer when no label changes.
    """
    weights_m = np.ones(len(points_mD), np.float32) if weights_m is None else weights_m.astype(np.float32)
    centers_kD = points_mD[plus_plus(points_mD, k, rng, weights_m)].copy()
    labels_m = nearest_center(points_mD, centers_kD)
    for _ in range(iterations):
        centers_kD = _means(points_mD, labels_m, weights_m, centers_kD)
        moved_m = nearest_center(points_mD, centers_kD)
        if np.array_equal(moved_m, labels_m):
            break
        labels_m = moved_m
    return Clusters(centers_kD, labels_m)


def plus_plus(points_mD: Exact, k: int, rng: np.random.Generator, weights_m: Floats) -> Rows:
    """Return ``k`` positions drawn by weight times squared distance (Arthur and Vassilvitskii 2007)."""

    def between(ours: Rows, others: Rows) -> Floats:
        return np.asarray(squared_distances(points_mD[ours], points_mD[others]), np.float32)

    total = np.cumsum(weights_m, dtype=np.float64)
    picked = [min(int(np.searchsorted(total, rng.random() * total[-1], "right")), len(points_mD) - 1)]
    near_m = np.full(len(points_mD), np.inf, np.float32)
    known = 0
    while len(picked) < k:
        fresh_qD = points_mD[picked[known:]]
        for start in range(0, len(points_mD), ROWS):
            part = near_m[start : start + ROWS]
            np.minimum(part, nearest_of(points_mD[start : start + ROWS], fresh_qD), out=part)
        near_m[picked] = 0
        known = len(picked)
        draw_by_distance(near_m, weights_m, picked, min(k, known + STALE_PICKS), between, rng)
    return np.asarray(picked, np.int64)


def nearest_center(points_mD: Exact, centers_kD: Exact) -> Rows:
    """Return the index of each point's nearest center, the lowest among equals, shape (m,)."""
    half_norms_k = 0.5 * np.einsum("kd,kd->k", centers_kD, centers_kD)
    labels_m = np.empty(len(points_mD), np.int64)
    for start in range(0, len(points_mD), ROWS):
        closeness = points_mD[start : start + ROWS] @ centers_kD.T
        closeness -= half_norms_k
        labels_m[start : start + ROWS] = closeness.argmax(axis=1)
    return labels_m


def _means(points_mD: Exact, labels_m: Rows, weights_m: Floats, previous_kD: Exact) -> Exact:
    """Return the weighted mean of each cluster; a cluster without weight keeps its center."""
    k = len(previous_kD)
    members = csr_array((weights_m, (labels_m, np.arange(len(points_mD)))), shape=(k, len(points_mD)))
    weight_k = np.bincount(labels_m, weights_m, minlength=k)
    sums_kD = members @ points_mD
    filled = weight_k > 0
    centers_kD = previous_kD.copy()
    centers_kD[filled] = on_grid(sums_kD[filled] / weight_k[filled, None])
    return centers_kD

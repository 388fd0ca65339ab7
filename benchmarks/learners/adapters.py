"""Cheap adaptations of frozen embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.encoded_sets import Float32, Int64, unit

SPECTRUM_POWER = 1 / 8
WITHIN_SHARE = 0.3  # of the covariance within classes beside one that is alike in all directions
LOW_RANK, NCA_RANK = 64, 64

Map = Callable[[Float32], Float32]
Adapt = Callable[[Float32, Float32, Int64], Map]
"""Of all texts (N, D), labeled ones (n, D) and their labels: what is done to each embedding."""


def as_it_is(all_ND: Float32, labeled_nD: Float32, labels_n: Int64) -> Map:
    """No change."""
    return lambda rows_nD: rows_nD


def spectrum(all_ND: Float32, labeled_nD: Float32, labels_n: Int64) -> Map:
    """All texts' covariance to the power 1/8: a cluster kernel (Chapelle, Weston & Schölkopf 2002)."""
    return _by_covariance(all_ND, np.cov(all_ND.T), SPECTRUM_POWER)


def within_classes(all_ND: Float32, labeled_nD: Float32, labels_n: Int64) -> Map:
    """Whitened by the covariance within classes (Hatch, Kajarekar & Stolcke 2006), shrunk to one without direction."""
    means_CD = np.stack([labeled_nD[labels_n == label].mean(axis=0) for label in np.unique(labels_n)])
    places_n = np.unique(labels_n, return_inverse=True)[1]
    apart_nD = labeled_nD - means_CD[places_n]
    within_DD = apart_nD.T @ apart_nD / max(len(labels_n) - len(means_CD), 1)
    dimension, largest = len(within_DD), max(float(np.linalg.eigvalsh(within_DD)[-1]), 1e-9)
    return _by_covariance(all_ND, WITHIN_SHARE * within_DD / largest + (1 - WITHIN_SHARE) * np.eye(dimension), -0.5)


def low_rank(all_ND: Float32, labeled_nD: Float32, labels_n: Int64) -> Map:
    """The 64 directions in which texts differ most."""
    mean_D = all_ND.mean(axis=0)
    axes_DD = np.linalg.eigh(np.cov(all_ND.T))[1][:, -LOW_RANK:].astype(np.float32)
    return lambda rows_nD: unit((rows_nD - mean_D) @ axes_DD)


def neighbourhood_components(all_ND: Float32, labeled_nD: Float32, labels_n: Int64) -> Map:
    """A metric of at most 64 dimensions learned on the labels (Goldberger et al. 2004)."""
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    rank = min(NCA_RANK, len(labels_n), labeled_nD.shape[1])
    analysis = NeighborhoodComponentsAnalysis(rank, init="pca", max_iter=30, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        analysis.fit(labeled_nD, labels_n)
    return lambda rows_nD: unit(np.asarray(analysis.transform(rows_nD), np.float32))


UNSUPERVISED = ("spectrum", "low rank")
"""Those that cross-validation on the labels can judge from outside, because they do not see them."""

ADAPTERS: Mapping[str, Adapt] = MappingProxyType(
    {
        "spectrum": spectrum,
        "within classes": within_classes,
        "low rank": low_rank,
        "neighbourhood components": neighbourhood_components,
    }
)


def _by_covariance(all_ND: Float32, covariance_DD: NDArray[np.floating], power: float) -> Map:
    mean_D = all_ND.mean(axis=0)
    variance_D, axes_DD = np.linalg.eigh(covariance_DD)
    map_DD = ((axes_DD * np.maximum(variance_D, 1e-6 * variance_D.max()) ** power) @ axes_DD.T).astype(np.float32)
    return lambda rows_nD: unit((rows_nD - mean_D) @ map_DD)

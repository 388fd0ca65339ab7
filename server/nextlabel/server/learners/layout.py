"""Embeddings in the plane: t-SNE of a sample, and a place among it for every other item.

van der Maaten and Hinton (2008), "Visualizing Data using t-SNE"; started from principal components, as Kobak and
Berens (2019), "The art of using t-SNE for single-cell transcriptomics", advise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from nextlabel.server.learners.threads import TRAINING_THREADS

Float32 = npt.NDArray[np.float32]

FEWEST_FOR_TSNE = 12
_COMPONENTS = 50
_PERPLEXITY = 30.0
_STEPS = 500  # the default of 1,000 takes twice as long and looks the same
_NEIGHBOURS = 5
_BLOCK_ROWS = 1_024  # bounds the distances held at once to 1024 · N


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the N items of a sample stand.

    Attributes:
        mean_D: of their embeddings.
        axes_PD: the principal axes, one a row.
        components_NP: what their neighbours are found by: how far they are from the mean along each axis.
        places_N2: in [-1, 1], one scale for both axes.
    """

    mean_D: Float32
    axes_PD: Float32
    components_NP: Float32
    places_N2: Float32

    def place(self, embeddings_nD: npt.NDArray[np.floating]) -> Float32:
        """Return places, (n, 2), of other items: the mean of their 5 nearest neighbours, weighed by distance."""
        placed_n2 = np.empty((len(embeddings_nD), 2), np.float32)
        with TRAINING_THREADS.bounded():
            for first in range(0, len(embeddings_nD), _BLOCK_ROWS):
                block = slice(first, first + _BLOCK_ROWS)
                placed_n2[block] = self._placed(_components(embeddings_nD[block], self.mean_D, self.axes_PD))
        return placed_n2

    def _placed(self, components_bP: Float32) -> Float32:
        known_NP = self.components_NP
        squares_bN = (
            (components_bP**2).sum(axis=1)[:, None] + (known_NP**2).sum(axis=1) - 2 * components_bP @ known_NP.T
        )
        k = min(_NEIGHBOURS, len(known_NP))
        near_bk = np.argpartition(squares_bN, k - 1, axis=1)[:, :k]
        distances_bk = np.maximum(np.take_along_axis(squares_bN, near_bk, axis=1), 0)
        farthest_b1 = np.maximum(distances_bk.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        weights_bk = 1 / (distances_bk / farthest_b1 + 1e-3)
        weights_bk /= weights_bk.sum(axis=1, keepdims=True)
        return np.asarray((weights_bk[:, :, None] * self.places_N2[near_bk]).sum(axis=1), np.float32)


def lay_out(embeddings_ND: npt.NDArray[np.floating]) -> Layout:
    """Lay out a sample of N >= 1 embeddings; the same sample on the same machine is laid out the same.

    Takes seconds at 2,000. Up to 11 items are shown by their first two principal components.
    """
    # The variance of one item, or of items that are all the same, is not known, and nothing here asks for it.
    with TRAINING_THREADS.bounded(), np.errstate(invalid="ignore", divide="ignore"):
        components = min(_COMPONENTS, *embeddings_ND.shape)
        pca = PCA(components, random_state=0).fit(embeddings_ND.astype(np.float32))
        mean_D, axes_PD = pca.mean_.astype(np.float32), pca.components_.astype(np.float32)
        components_NP = _components(embeddings_ND, mean_D, axes_PD)
        start_N2 = np.zeros((len(components_NP), 2), np.float32)
        start_N2[:, : min(2, components)] = components_NP[:, :2]
        return Layout(mean_D, axes_PD, components_NP, _scaled(_apart(components_NP, start_N2)))


def _apart(components_NP: Float32, start_N2: Float32) -> Float32:
    """Return places that keep neighbours together, from first places."""
    count, spread = len(components_NP), float(start_N2[:, 0].std())
    # Items that are all the same have no neighbours to tell from others.
    if count < FEWEST_FOR_TSNE or not spread > 0:
        return start_N2
    tsne = TSNE(
        init=start_N2 / spread * 1e-4,
        perplexity=min(_PERPLEXITY, (count - 1) / 3),
        max_iter=_STEPS,
        random_state=0,
        n_jobs=1,
    )
    # Several threads would add up in another order every time, and what comes of it is not the same.
    with threadpool_limits(1, user_api="openmp"):
        return np.asarray(tsne.fit_transform(components_NP), np.float32)


def _components(embeddings_nD: npt.NDArray[np.floating], mean_D: Float32, axes_PD: Float32) -> Float32:
    return np.asarray((embeddings_nD.astype(np.float32) - mean_D) @ axes_PD.T, np.float32)


def _scaled(places_N2: Float32) -> Float32:
    """Return places centred and within [-1, 1]."""
    low_2, high_2 = places_N2.min(axis=0), places_N2.max(axis=0)
    half = float((high_2 - low_2).max()) / 2 or 1.0
    return np.asarray(((places_N2 - (low_2 + high_2) / 2) / half).clip(-1, 1), np.float32)

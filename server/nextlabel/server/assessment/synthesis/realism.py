"""How written texts differ from real ones of the same class, as a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from nextlabel.server.assessment.estimates.cross_fit import Features, cross_fitted

FEWEST = 8
"""Texts of either kind below which a classifier between them says nothing."""


@dataclass(frozen=True, slots=True)
class Realism:
    """Statistics of written texts beside real ones.

    ``distinguishability`` is the area under the ROC curve of a cross-validated classifier between the two on their
    embeddings: 0.5 when they cannot be told apart, 1 when they always can; None with too few of either. The spreads
    are mean cosine distances within each set, in [0, 2]; lengths are medians in characters. None where there is none.
    """

    distinguishability: float | None
    length: float | None
    real_length: float | None
    spread: float | None
    real_spread: float | None


def realism(
    texts: Sequence[str], embeddings_MD: npt.NDArray[np.float32], real: Sequence[str], real_ND: npt.NDArray[np.float32]
) -> Realism:
    """Compare M written texts with N real ones; embeddings are of unit length."""
    return Realism(
        distinguishability=_distinguishability(embeddings_MD, real_ND),
        length=_median(texts),
        real_length=_median(real),
        spread=_spread(embeddings_MD),
        real_spread=_spread(real_ND),
    )


def _distinguishability(embeddings_MD: npt.NDArray[np.float32], real_ND: npt.NDArray[np.float32]) -> float | None:
    m, n = len(embeddings_MD), len(real_ND)
    if min(m, n) < FEWEST:
        return None
    written = np.concatenate([np.ones(m), np.zeros(n)])
    order = np.random.default_rng(0).permutation(m + n)
    weak = np.concatenate([embeddings_MD, real_ND]).astype(np.float64)[order]
    features = Features(np.zeros((m + n, 0)), weak)
    scores, _ = cross_fitted(features, written[order], Features(np.zeros((0, 0)), weak[:0]))
    ranks = rankdata(scores)
    return float((ranks[written[order] == 1].sum() - m * (m + 1) / 2) / (m * n))


def _spread(embeddings_nD: npt.NDArray[np.float32]) -> float | None:
    n = len(embeddings_nD)
    if n < 2:
        return None
    # The mean over pairs of unit vectors, from the length of their sum.
    total = embeddings_nD.astype(np.float64).sum(axis=0)
    return float(1 - (total @ total - n) / (n * (n - 1)))


def _median(texts: Sequence[str]) -> float | None:
    return float(np.median([len(text) for text in texts])) if texts else None

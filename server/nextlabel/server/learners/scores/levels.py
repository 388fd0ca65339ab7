"""Scores as strategies see them: levels of equal width, each with its probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.scores.training import ScoreTraining

LEVELS = 6
LEAST_SPREAD = 1 / (2 * LEVELS)


def level_head(coef_D: NDArray[np.float32], intercept: float, spread: float) -> TrainedHead:
    """Return a linear model with normal errors as a softmax over the levels, by the density at their middles.

    The logarithm of that density, (middle * mean - middle² / 2) / spread² and what is the same for all levels, is
    linear in the mean, and the mean is linear in the embedding: nothing is lost.

    Args:
        coef_D: float32, like ``intercept`` and ``spread`` in shares of the range.
    """
    middles_C = (np.arange(LEVELS) + 0.5) / LEVELS
    precision = max(spread, LEAST_SPREAD) ** -2
    coef_CD = precision * middles_C[:, None] * coef_D[None]
    intercept_C = precision * (middles_C * intercept - middles_C**2 / 2)
    return TrainedHead(coef_CD.astype(np.float32), intercept_C.astype(np.float32))


def levels_of(training: ScoreTraining) -> NDArray[np.int64]:
    """Return the level of every score, (N,)."""
    return np.minimum((training.shares * LEVELS).astype(np.int64), LEVELS - 1)

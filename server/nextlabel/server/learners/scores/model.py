"""A trained score model: an immutable value that says how items score, and how far it may be off."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.description import TrainingDescription
from nextlabel.server.learners.model import Classless
from nextlabel.server.learners.scores.ordinal import OrdinalHead
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.values.projects.score_range import ScoreRange

Float32 = NDArray[np.float32]

COVERED = 0.95
"""Share of the items whose true score is to lie in the predicted interval."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreModel(Classless):
    """A linear model of scores, and the ordinal one that predicts where that errs less.

    Attributes:
        allowed: the range of the scores; predictions lie within it, not on its steps.
        coef_D: float32, in shares of the range.
        intercept: in shares of the range.
        penalty: strength of the L2 penalty that it was fitted with.
        spread: standard deviation of its errors on labels left out, in shares of the range.
        half_width: of the interval around a prediction, in shares of the range.
        ordinal: predicts instead of the linear model, by which strategies go on going; None where that is as good.
    """

    spec: LearnerSpec
    allowed: ScoreRange
    coef_D: Float32
    intercept: float
    penalty: float
    spread: float
    half_width: float
    description: TrainingDescription
    ordinal: OrdinalHead | None = None

    def predict(self, embeddings_nD: NDArray[np.floating]) -> Float32:
        """Scores, (n,) float32, within the range."""
        if self.ordinal is not None:
            shares_n = self.ordinal.shares(embeddings_nD)
        else:
            shares_n = np.asarray(embeddings_nD, np.float32) @ self.coef_D + np.float32(self.intercept)
        return np.asarray(self.allowed.minimum + self.allowed.width * np.clip(shares_n, 0, 1), np.float32)

    def intervals(self, scores_n: Float32) -> Float32:
        """Where the true scores lie in 95 % of the cases, (n, 2) float32, lowest and highest.

        That holds for items drawn as those that the model learned from were (jackknife, Barber et al. 2021).
        """
        half = np.float32(self.half_width * self.allowed.width)
        bounds_n2 = np.stack([scores_n - half, scores_n + half], axis=1)
        return np.asarray(np.clip(bounds_n2, self.allowed.minimum, self.allowed.maximum), np.float32)

    def sureness(self) -> float | None:
        """How probable it is that a true score is the same answer as the predicted one, in [0, 1], by normal errors.

        The same for every item, as errors are taken to be. None with labels too few to tell how large they are.
        """
        if self.half_width >= 1:
            return None
        within = self.allowed.tolerance / self.allowed.width
        return math.erf(within / (max(self.spread, 1e-9) * math.sqrt(2)))

"""What a score learner is trained on: embeddings, scores, and how far each may be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.targets import counted
from nextlabel.server.learners.training import InvalidTrainingSetError
from nextlabel.server.values.projects.score_range import ScoreRange

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTraining:
    """The scores known so far.

    Attributes:
        embeddings_ND: finite float32, one row a scored item.
        scores_N: float64 within the range.
        trusted_N: True for scores of people or a replay of known truth; others count `UNTRUSTED_WEIGHT`.
        allowed: the range.

    Raises:
        InvalidTrainingSetError: if shapes or values do not fit.
    """

    embeddings_ND: Float32
    scores_N: Float64
    trusted_N: NDArray[np.bool_]
    allowed: ScoreRange

    def __post_init__(self) -> None:
        n = len(self.embeddings_ND)
        if self.scores_N.shape != (n,) or self.trusted_N.shape != (n,):
            raise InvalidTrainingSetError(
                f"scores_N has shape {self.scores_N.shape} and trusted_N {self.trusted_N.shape}; expected ({n},)"
            )
        if not np.isfinite(self.embeddings_ND).all():
            raise InvalidTrainingSetError("embeddings_ND holds NaN or infinity; embed the items again")
        if n and not (self.scores_N.min() >= self.allowed.minimum and self.scores_N.max() <= self.allowed.maximum):
            raise InvalidTrainingSetError(f"scores_N must lie {self.allowed}")

    def __len__(self) -> int:
        return len(self.embeddings_ND)

    @property
    def levels(self) -> int:
        """How many scores are allowed; 0 where that is any number."""
        return round(self.allowed.width / self.allowed.step) + 1 if self.allowed.step else 0

    @property
    def weights(self) -> Float64:
        """How much each score counts, (N,)."""
        return counted(self.trusted_N)

    @property
    def shares(self) -> Float64:
        """The scores as shares of the range, (N,), in [0, 1]."""
        return (self.scores_N - self.allowed.minimum) / self.allowed.width

    def take(self, rows_n: NDArray[np.int64]) -> ScoreTraining:
        """The training set of these rows."""
        return ScoreTraining(self.embeddings_ND[rows_n], self.scores_N[rows_n], self.trusted_N[rows_n], self.allowed)

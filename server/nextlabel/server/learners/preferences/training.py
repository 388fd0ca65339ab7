"""What a preference learner is trained on: pairs of embeddings, answers, and how far each may be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.assessment.ranking.davidson import FIRST, SECOND
from nextlabel.server.learners.targets import UNTRUSTED_WEIGHT
from nextlabel.server.learners.training import InvalidTrainingSetError

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PreferenceTraining:
    """The preferences known so far.

    Attributes:
        embeddings_ND: finite float32, one row a pair, the embeddings of its two texts side by side: D is even.
        answers_N: `FIRST`, `TIE` or `SECOND`.
        trusted_N: True for answers of people or a replay of known truth; others count `UNTRUSTED_WEIGHT`.

    Raises:
        InvalidTrainingSetError: if shapes or values do not fit.
    """

    embeddings_ND: Float32
    answers_N: NDArray[np.int64]
    trusted_N: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n, dimension = self.embeddings_ND.shape
        if self.answers_N.shape != (n,) or self.trusted_N.shape != (n,):
            raise InvalidTrainingSetError(
                f"answers_N has shape {self.answers_N.shape} and trusted_N {self.trusted_N.shape}; expected ({n},)"
            )
        if dimension % 2:
            raise InvalidTrainingSetError(
                f"embeddings_ND has {dimension} columns; two texts side by side have an even number"
            )
        if not np.isfinite(self.embeddings_ND).all():
            raise InvalidTrainingSetError("embeddings_ND holds NaN or infinity; embed the items again")
        if n and not (self.answers_N.min() >= FIRST and self.answers_N.max() <= SECOND):
            raise InvalidTrainingSetError(f"answers_N must lie from {FIRST} to {SECOND}")

    def __len__(self) -> int:
        return len(self.embeddings_ND)

    @property
    def weights(self) -> Float64:
        """How much each answer counts, (N,)."""
        return np.where(self.trusted_N, 1.0, UNTRUSTED_WEIGHT)

    @property
    def texts(self) -> Float32:
        """The embeddings of the texts of all pairs, (2 N, D / 2)."""
        return self.embeddings_ND.reshape(-1, self.embeddings_ND.shape[1] // 2)

    @property
    def differences(self) -> Float64:
        """How the first text of each pair differs from the second, (N, D / 2)."""
        return differences(self.embeddings_ND).astype(np.float64)


def differences(embeddings_nD: NDArray[np.floating]) -> Float32:
    """Return first minus second of n pairs of embeddings, (n, D / 2) float32.

    >>> differences(np.array([[1.0, 0.0, 0.25, 0.5]])).tolist()
    [[0.75, -0.5]]
    """
    half = embeddings_nD.shape[1] // 2
    return np.asarray(embeddings_nD[:, :half], np.float32) - np.asarray(embeddings_nD[:, half:], np.float32)

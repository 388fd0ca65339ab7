"""A trained preference model: an immutable value that says which of two texts is better, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.description import TrainingDescription
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.model import Classless
from nextlabel.server.learners.specification import LearnerSpec

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PreferenceModel(Classless):
    """A linear reward of texts, and how readily two of them are a tie.

    Attributes:
        coef_D: float32, of the reward of one text; a pair has an embedding of twice that length.
        log_tie: logarithm of Davidson's ν.
        penalty: strength of the L2 penalty that it was fitted with.
    """

    spec: LearnerSpec
    coef_D: Float32
    log_tie: float
    penalty: float
    description: TrainingDescription

    @property
    def head(self) -> TrainedHead:
        """The model as a softmax over first, tie and second, of the embeddings of pairs."""
        return reward_head(self.coef_D, self.log_tie)

    def predict_proba(self, embeddings_nD: NDArray[np.floating]) -> Float32:
        """Probabilities of first, tie and second, (n, 3) float32, of n pairs; mirrored when their texts are swapped."""
        return self.head.predict_proba(np.asarray(embeddings_nD, np.float32))


def reward_head(coef_D: Float32, log_tie: float) -> TrainedHead:
    """Return a reward of texts as a softmax over first, tie and second: what Davidson's model is, nothing is lost."""
    side = np.concatenate([coef_D, -coef_D]) / 2
    coef_CD = np.stack([side, np.zeros_like(side), -side])
    return TrainedHead(coef_CD.astype(np.float32), np.array([0, log_tie, 0], np.float32))

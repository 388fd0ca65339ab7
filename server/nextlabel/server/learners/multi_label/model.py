"""A trained multi-label model: an immutable value that says how probable every class is, and whether to give it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.candidates.description import TrainingDescription
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.specification import LearnerSpec

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class MultiLabelModel:
    """A model over a label space of which any number of classes may apply.

    Attributes:
        head: log-odds of every class, each by itself.
        cuts_C: float32, the log-odds above which a class is given.
        blend: none; advice about several classes has no say yet.
    """

    classes: tuple[str, ...]
    spec: LearnerSpec
    head: TrainedHead
    cuts_C: Float32
    description: TrainingDescription
    blend: None = None

    @property
    def n_classes(self) -> int:
        """Size of the label space."""
        return len(self.classes)

    @property
    def turning(self) -> TrainedHead:
        """The heads moved so that a class is given where its logit is above 0."""
        return TrainedHead(self.head.coef_CD, self.head.intercept_C - self.cuts_C)

    def predict_proba(self, embeddings_nD: NDArray[np.floating], advice: AdviceFeatures | None = None) -> Float32:
        """Probability of every class, (n, C) float32 in [0, 1]; rows need not sum to 1."""
        return np.asarray(expit(self.head.logits(np.asarray(embeddings_nD, np.float32))), np.float32)

    def hears(self, advice: AdviceFeatures | None) -> bool:
        """Whether this advice counts: not yet."""
        return False

    def given(self, probabilities_nC: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which classes are given at these probabilities, (n, C)."""
        return np.asarray(probabilities_nC > expit(self.cuts_C))

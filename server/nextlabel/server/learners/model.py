"""A trained model: an immutable value that predicts, is scored by strategies and is saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.description import TrainingDescription
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.specification import LearnerSpec

Float32 = NDArray[np.float32]


class ProbabilisticClassifier(Protocol):
    """What is needed of a scikit-learn classifier that is no linear softmax."""

    classes_: NDArray[np.int64]

    def predict_proba(self, X: Float32) -> NDArray[np.floating]:
        """Probabilities, (n, len(classes_))."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained model over a label space.

    Attributes:
        linear: the model as a linear head, so that a pool is scored by one matrix product; None for an estimator
            that is not linear.
        estimator: the scikit-learn estimator where the linear head is not the whole of it: one that is not
            linear, or one whose optimiser state the next training goes on from.
    """

    classes: tuple[str, ...]
    spec: LearnerSpec
    linear: TrainedHead | None
    estimator: ProbabilisticClassifier | None
    description: TrainingDescription

    @property
    def n_classes(self) -> int:
        """Size of the label space."""
        return len(self.classes)

    def predict_proba(self, embeddings_nD: NDArray[np.floating]) -> Float32:
        """Class probabilities, (n, C) float32, rows summing to 1.

        A class without labels gets 0. Without any labels all classes are equally probable.
        """
        embeddings = np.asarray(embeddings_nD, np.float32)
        if self.linear is not None:
            return self.linear.predict_proba(embeddings)
        probabilities = np.zeros((len(embeddings), self.n_classes), np.float32)
        if self.estimator is not None and len(embeddings):
            probabilities[:, self.estimator.classes_] = self.estimator.predict_proba(embeddings)
        return probabilities

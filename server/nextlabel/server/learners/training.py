"""What a learner is trained on: embeddings, labels, and how far each label may be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.features import AdviceFeatures

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


class InvalidTrainingSetError(ValueError):
    """A training set whose parts do not fit together; the message names the field."""


@dataclass(frozen=True, slots=True, eq=False)
class DescribedClasses:
    """Texts that describe classes, each as an example of its class.

    Attributes:
        embeddings_ED: float32, one row a text.
        labels_E: int64, the class each describes.
        weights_E: float32 above 0, in labels.
    """

    embeddings_ED: Float32
    labels_E: Int64
    weights_E: Float32

    def stretched(self, factor: float) -> DescribedClasses:
        """The same with all embeddings multiplied by a factor."""
        return replace(self, embeddings_ED=self.embeddings_ED * np.float32(factor))


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """The labels known so far.

    Attributes:
        embeddings_ND: finite float32, one row an annotated item.
        labels_N: int64 in ``[0, C)``, an index into ``classes``; the consensus label.
        trusted_N: True for labels of people, gold or a replay of known truth; False for those of an LLM.
            Where they are enough, trusted labels alone choose between estimators; others always count less.
        weights_N: float32 in ``(0, ∞)``, how much the row counts; 1 is one certain label.
        probabilities_NC: float32 rows summing to 1, the consensus as a distribution, or None where every
            label is taken at its word. Trusted rows are taken at their word regardless.
        classes: the label space, in order; not every class needs to occur. Empty where there are no labels: for
            scores, preferences and texts.
        described: texts that describe the classes, embedded as the items are, or None where there are none.
        advice: what advisors say of the items, or None where nobody was asked.

    Raises:
        InvalidTrainingSetError: if shapes, ranges or values do not fit.
    """

    embeddings_ND: Float32
    labels_N: Int64
    trusted_N: Bool
    weights_N: Float32
    probabilities_NC: Float32 | None
    classes: tuple[str, ...]
    described: DescribedClasses | None = None
    advice: AdviceFeatures | None = None

    def __post_init__(self) -> None:
        self._check_described()
        n = self._check_embeddings()
        for name in ("labels_N", "trusted_N", "weights_N"):
            if getattr(self, name).shape != (n,):
                raise InvalidTrainingSetError(
                    f"{name} has shape {getattr(self, name).shape}; expected ({n},), one value a row of embeddings_ND"
                )
        self._check_values()

    def _check_embeddings(self) -> int:
        if not self.classes and len(self.labels_N):
            raise InvalidTrainingSetError("classes is empty; labels need a label space of at least one class")
        if self.embeddings_ND.ndim != 2:
            raise InvalidTrainingSetError(f"embeddings_ND has {self.embeddings_ND.ndim} dimensions; expected 2")
        if not np.isfinite(self.embeddings_ND).all():
            raise InvalidTrainingSetError("embeddings_ND holds NaN or infinity; embed the items again")
        return len(self.embeddings_ND)

    def _check_described(self) -> None:
        described = self.described
        if described is None:
            return
        if described.embeddings_ED.shape != (len(described.labels_E), self.embeddings_ND.shape[-1]):
            raise InvalidTrainingSetError(
                f"described has embeddings of shape {described.embeddings_ED.shape}; expected one row of "
                f"{self.embeddings_ND.shape[-1]} numbers for each of {len(described.labels_E)} labels"
            )
        if len(described.labels_E) and not 0 <= described.labels_E.min() <= described.labels_E.max() < self.n_classes:
            raise InvalidTrainingSetError(f"described has labels outside [0, {self.n_classes}), the indexes of classes")

    def _check_values(self) -> None:
        n, n_classes = len(self.labels_N), len(self.classes)
        if n and not (self.labels_N.min() >= 0 and self.labels_N.max() < n_classes):
            raise InvalidTrainingSetError(f"labels_N must lie in [0, {n_classes}), the indexes of classes")
        if n and not (np.isfinite(self.weights_N).all() and self.weights_N.min() > 0):
            raise InvalidTrainingSetError("weights_N must be finite and above 0; leave out rows that do not count")
        if self.advice is not None and len(self.advice.given_N) != n:
            raise InvalidTrainingSetError(
                f"advice is about {len(self.advice.given_N)} items; expected {n}, one a label"
            )
        soft = self.probabilities_NC
        if soft is None:
            return
        if soft.shape != (n, n_classes):
            raise InvalidTrainingSetError(f"probabilities_NC has shape {soft.shape}; expected {(n, n_classes)}")
        if n and not (np.all(soft >= 0) and np.allclose(soft.sum(axis=1), 1, atol=1e-3)):
            raise InvalidTrainingSetError("probabilities_NC must be rows of non-negative numbers that sum to 1")

    @property
    def n_classes(self) -> int:
        """Size of the label space."""
        return len(self.classes)

    def stretched(self, factor: float) -> TrainingSet:
        """The same with all embeddings multiplied by a factor."""
        described = None if self.described is None else self.described.stretched(factor)
        return replace(self, embeddings_ND=self.embeddings_ND * np.float32(factor), described=described)

    def take(self, rows_n: Int64) -> TrainingSet:
        """The training set of these rows, repeats allowed (a bootstrap sample is one)."""
        soft = self.probabilities_NC
        return TrainingSet(
            embeddings_ND=self.embeddings_ND[rows_n],
            labels_N=self.labels_N[rows_n],
            trusted_N=self.trusted_N[rows_n],
            weights_N=self.weights_N[rows_n],
            probabilities_NC=None if soft is None else soft[rows_n],
            classes=self.classes,
            described=self.described,
            advice=None if self.advice is None else self.advice.take(rows_n),
        )

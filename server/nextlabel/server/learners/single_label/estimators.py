"""scikit-learn classifiers for every allowed estimator name, each built from its validated parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import SGDClassifier
from sklearn.neighbors import KNeighborsClassifier

from nextlabel.server.learners.candidates.candidates import CandidateFitter
from nextlabel.server.learners.candidates.description import CandidatePart, LearnerCandidate
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.candidates.logistic import LogisticSettings
from nextlabel.server.learners.candidates.pool_training import WeightedLabels
from nextlabel.server.learners.specification import LearnerSpec

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

PLAIN = (CandidatePart(LearnerCandidate.PLAIN, described=False, factor=1.0),)
"""Logistic regression on the labels alone, as it is."""


class HeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression over the whole label space as a scikit-learn classifier, optionally using a pool.

    Args:
        settings: of the logistic regression.
        parts: how the pool and the descriptions are used.
        pool: (M, D) float32 sample of the pool.
        start: head to start from.
        described: examples of the classes from the label space itself.
    """

    def __init__(
        self,
        settings: LogisticSettings,
        parts: Sequence[CandidatePart] = PLAIN,
        pool: Float32 | None = None,
        start: TrainedHead | None = None,
        described: WeightedLabels | None = None,
    ) -> None:
        self.settings = settings
        self.parts = parts
        self.pool = pool
        self.start = start
        self.described = described

    def fit(self, X: Float32, y: Int64, sample_weight: Float32 | None = None, items: Int64 | None = None) -> Self:
        """Fits ``head_``; rows of the same item (default: each its own) are one soft label."""
        weights = np.ones(len(y), np.float32) if sample_weight is None else sample_weight
        item_R = np.arange(len(y)) if items is None else items
        pool = np.empty((0, X.shape[1]), np.float32) if self.pool is None else self.pool
        described = self.described if any(part.described for part in self.parts) else None
        fitter = CandidateFitter(WeightedLabels(X, y, weights), item_R, pool, self.settings, described)
        self.head_ = fitter.fit_all(self.parts, np.unique(item_R), self.start)
        self.classes_ = np.arange(self.settings.n_classes)
        return self

    def predict_proba(self, X: Float32) -> Float32:
        """Class probabilities, (n, C)."""
        return self.head_.predict_proba(X)

    def predict(self, X: Float32) -> Int64:
        """Most probable class indexes, (n,)."""
        return np.asarray(self.head_.logits(X).argmax(axis=1))


def linear_discriminant(spec: LearnerSpec) -> LinearDiscriminantAnalysis:
    """LDA with a shrunk covariance, so that fewer labels than dimensions suffice."""
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=spec.number("shrinkage"))


def nearest_neighbors(spec: LearnerSpec, n_labels: int) -> KNeighborsClassifier:
    """Votes of the nearest labels; of all labels while there are fewer than asked for."""
    k = min(int(spec.number("n_neighbors")), n_labels)
    return KNeighborsClassifier(n_neighbors=k, weights=spec.choice("weights"), algorithm="brute")


class IncrementalSgd(SGDClassifier):  # type: ignore[misc]
    """`SGDClassifier` whose ``fit`` goes on from where the last one ended, through ``partial_fit``.

    Args:
        epochs: passes over the labels at every fit.
    """

    def __init__(self, alpha: float = 1e-4, epochs: int = 20, random_state: int | None = None) -> None:
        super().__init__(loss="log_loss", alpha=alpha, random_state=random_state)
        self.epochs = epochs

    def fit(self, X: Float32, y: Int64, sample_weight: Float32 | None = None, **_: Any) -> Self:
        """Runs `epochs` passes; the first call fixes the classes."""
        classes = getattr(self, "classes_", np.unique(y))
        for _epoch in range(self.epochs):
            self.partial_fit(X, y, classes=classes, sample_weight=sample_weight)
        return self

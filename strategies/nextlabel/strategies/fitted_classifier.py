"""A predictor as a scikit-learn classifier that is fitted already."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from nextlabel.strategies.arithmetic.arrays import Array, Rows, to_numpy
from nextlabel.strategies.heads import Predictor


class FittedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts with the given predictor; ``fit`` changes nothing but its bookkeeping."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def __sklearn_clone__(self) -> FittedClassifier:
        return FittedClassifier(self.predictor)

    def fit(self, X: Array, y: Array, **_: Any) -> FittedClassifier:
        """Return self."""
        self.classes_ = np.arange(self.predictor.n_classes)
        return self

    def predict_proba(self, X: Array) -> Array:
        """Return class probabilities (n, C)."""
        return to_numpy(self.predictor.predict_proba(np.asarray(X, np.float32)))

    def predict(self, X: Array) -> Rows:
        """Return class indices (n,)."""
        return np.asarray(self.predict_proba(X).argmax(axis=1), np.int64)

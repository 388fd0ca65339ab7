"""modAL's active learner, made to work with scikit-learn 1.8 and later. Its committee works on such learners as it is.

modAL 0.4.2.1 calls ``check_X_y(force_all_finite=…)``, an argument that scikit-learn 1.8 removed, so `fit` and
`teach` of its classes raise `TypeError`. Only the methods that do so are overridden here. Importing modAL imports
skorch, pandas and torch: import this module only where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from modAL.models import ActiveLearner
from modAL.uncertainty import margin_sampling
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import check_X_y

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


class ModalLearner(ActiveLearner):  # type: ignore[misc]
    """modAL's `ActiveLearner` with working `fit` and `teach`.

    Args:
        estimator: any scikit-learn classifier.
        query_strategy: any modAL query strategy, ``(learner, X, n_instances=…) -> indices``.
    """

    def __init__(
        self, estimator: ClassifierMixin, query_strategy: Callable[..., Any] = margin_sampling, **kwargs: Any
    ) -> None:
        super().__init__(estimator, query_strategy, **kwargs)

    def fit(self, X: Float32, y: Int64, bootstrap: bool = False, **fit_kwargs: Any) -> ModalLearner:
        """Replaces the known labels by these and fits the estimator on them."""
        check_X_y(X, y, dtype=None)
        self.X_training, self.y_training = X, y
        self._fit_to_known(bootstrap=bootstrap, **fit_kwargs)
        return self

    def teach(self, X: Float32, y: Int64, bootstrap: bool = False, only_new: bool = False, **fit_kwargs: Any) -> None:
        """Adds labels and fits again: on all of them, or with ``only_new`` on these alone."""
        if only_new:
            check_X_y(X, y, dtype=None)
            self._fit_on_new(X, y, bootstrap=bootstrap, **fit_kwargs)
        else:
            self._add_training_data(X, y)
            self._fit_to_known(bootstrap=bootstrap, **fit_kwargs)

    def _add_training_data(self, X: Float32, y: Int64) -> None:
        check_X_y(X, y, dtype=None)
        known = self.X_training is not None
        self.X_training = np.concatenate([self.X_training, X]) if known else X
        self.y_training = np.concatenate([self.y_training, y]) if known else y

"""Predictions of people's labels that were made without looking at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_MOST_FOLDS, _FEWEST_FOLDS = 20, 5
_LABELS_TIMES_FOLDS = 4_000
_SHRINKAGES = (0.0, 0.1, 0.3, 1.0)
_PENALTIES = np.logspace(-2, 3, 11)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What n items are predicted from: S strong columns, such as an LLM's score, and D weak ones, an embedding."""

    strong_nS: Floats
    weak_nD: Floats

    def __len__(self) -> int:
        return len(self.weak_nD)


def cross_fitted(labeled: Features, labels_nK: npt.ArrayLike, others: Features) -> tuple[Floats, Floats]:
    """Return predictions of n labels from the other folds' labels, and of N items from all folds' models, averaged.

    Ridge regression, of K numbers an item at once or of one, (n,). How much the weak columns are shrunk beside the
    strong ones, and the penalty, are those with the least leave-one-out error among each fold's own labels: hundreds
    of weak columns would drown a strong one. Folds go by position: have the labeled items in an order that says
    nothing. Few labels are parted into more folds, so that hardly one is lost to a fit. Labels may be 0 and 1, or
    numbers.

    Raises:
        ValueError: there are not as many labels as labeled rows, or fewer than four.
    """
    labels = np.asarray(labels_nK, np.float64)
    if len(labeled) != len(labels) or len(labels) < 4:
        raise ValueError(f"{len(labels)} labels for {len(labeled)} rows; expected one each, at least four")
    columns_nK = labels.reshape(len(labels), -1)
    strong_n, strong_N = _scaled(labeled.strong_nS, others.strong_nS)
    weak_n, weak_N = _scaled(labeled.weak_nD, others.weak_nD)
    inside = (strong_n @ strong_n.T, weak_n @ weak_n.T)
    towards = (strong_N @ strong_n.T, weak_N @ weak_n.T)
    count = _folds(len(labels))
    fold_n = np.arange(len(labels)) % count
    of_labeled, of_others = np.empty(columns_nK.shape), np.zeros((len(others), columns_nK.shape[1]))
    for fold in range(count):
        train, held_out = np.flatnonzero(fold_n != fold), np.flatnonzero(fold_n == fold)
        strong_nn, weak_nn = (kernel[np.ix_(train, train)] for kernel in inside)
        for columns, model in _best(strong_nn, weak_nn, columns_nK[train]):
            of_labeled[np.ix_(held_out, columns)] = model.predict(*(k[np.ix_(held_out, train)] for k in inside))
            of_others[:, columns] += model.predict(*(kernel[:, train] for kernel in towards)) / count
    return of_labeled.reshape(labels.shape), of_others.reshape(len(others), *labels.shape[1:])


def _folds(labels: int) -> int:
    """Return into how many folds labels are parted; each costs a fit, whose time grows with the cube of the labels."""
    return min(labels, _MOST_FOLDS, max(_FEWEST_FOLDS, _LABELS_TIMES_FOLDS // labels))


@dataclass(frozen=True, slots=True, eq=False)
class _Ridge:
    """Ridge regressions of K numbers in their dual form: a weight of each of n training items for each."""

    shrinkage: float
    weights_nK: Floats
    center_n: Floats
    mean_K: Floats
    error_K: Floats

    def of(self, columns: npt.NDArray[np.int64]) -> _Ridge:
        """Return those of some of the numbers."""
        return _Ridge(
            self.shrinkage,
            self.weights_nK[:, columns],
            self.center_n,
            self.mean_K[columns],
            self.error_K[columns],
        )

    def predict(self, strong_mn: Floats, weak_mn: Floats) -> Floats:
        """Return predictions for m items, (m, K), from inner products with the training items."""
        kernel = strong_mn + self.shrinkage**2 * weak_mn
        return np.asarray((kernel - self.center_n) @ self.weights_nK + self.mean_K)


def _best(strong_nn: Floats, weak_nn: Floats, labels_nK: Floats) -> Iterator[tuple[npt.NDArray[np.int64], _Ridge]]:
    """Return models with the numbers, by position, that each predicts best."""
    useful = _SHRINKAGES if strong_nn.any() else (1.0,)
    models = [_fit(strong_nn, weak_nn, labels_nK, shrinkage) for shrinkage in useful]
    best_K = np.argmin([model.error_K for model in models], axis=0)
    for place in np.unique(best_K).tolist():
        columns = np.flatnonzero(best_K == place)
        yield columns, models[place].of(columns)


def _fit(strong_nn: Floats, weak_nn: Floats, labels_nK: Floats, shrinkage: float) -> _Ridge:
    """Fit with the penalties of the least leave-one-out error, which a single decomposition gives for all of them."""
    kernel = strong_nn + shrinkage**2 * weak_nn
    center_n = kernel.mean(axis=0)
    centered = kernel - center_n - center_n[:, None] + center_n.mean()
    values_n, vectors_nn = np.linalg.eigh(centered)
    values_n = np.maximum(values_n, 0.0)
    n, residuals_nK = len(labels_nK), labels_nK - labels_nK.mean(axis=0)
    turned_nK = vectors_nn.T @ residuals_nK
    kept_Pn = values_n / (values_n + _PENALTIES[:, None])
    leverage_Pn = kept_Pn @ (vectors_nn**2).T + 1 / n
    error_PK = np.array(
        [
            (((residuals_nK - vectors_nn @ (kept_n[:, None] * turned_nK)) / room_n[:, None]) ** 2).mean(axis=0)
            for kept_n, room_n in zip(kept_Pn, np.maximum(1 - leverage_Pn, 1e-6), strict=True)
        ]
    )
    best_K = error_PK.argmin(axis=0)
    weights_nK = vectors_nn @ (turned_nK / (values_n[:, None] + _PENALTIES[best_K]))
    # Predictions center the training side only by what is common to all; the weights add up to zero.
    return _Ridge(
        shrinkage, weights_nK - weights_nK.mean(axis=0), center_n, labels_nK.mean(axis=0), error_PK.min(axis=0)
    )


def _scaled(labeled_nF: Floats, others_NF: Floats) -> tuple[Floats, Floats]:
    """Center columns, and scale the block so that its rows have a squared length of 1 on the mean."""
    together = np.concatenate([labeled_nF, others_NF]).astype(np.float64)
    together -= together.mean(axis=0) if len(together) else 0.0
    length = float((together**2).sum() / max(len(together), 1)) ** 0.5
    together /= length if length > 1e-12 else 1.0
    return together[: len(labeled_nF)], together[len(labeled_nF) :]

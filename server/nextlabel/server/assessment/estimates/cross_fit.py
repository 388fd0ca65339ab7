"""Predictions of people's labels that were made without looking at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FOLDS = 5
_SHRINKAGES = (0.0, 0.1, 0.3, 1.0)
_PENALTIES = np.logspace(-2, 3, 11)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What n items are predicted from: S strong columns, such as an LLM's score, and D weak ones, an embedding."""

    strong_nS: Floats
    weak_nD: Floats

    def __len__(self) -> int:
        return len(self.weak_nD)


def cross_fitted(labeled: Features, labels_n: npt.ArrayLike, others: Features) -> tuple[Floats, Floats]:
    """Return predictions of n labels from the other folds' labels, and of N items from all folds' models, averaged.

    Ridge regression. How much the weak columns are shrunk beside the strong ones, and the penalty, are those with the
    least leave-one-out error among each fold's own labels: hundreds of weak columns would drown a strong one. Folds
    go by position: have the labeled items in an order that says nothing. Labels may be 0 and 1, or numbers.

    Raises:
        ValueError: there are not as many labels as labeled rows, or fewer than four.
    """
    labels = np.asarray(labels_n, np.float64)
    if len(labeled) != len(labels) or len(labels) < 4:
        raise ValueError(f"{len(labels)} labels for {len(labeled)} rows; expected one each, at least four")
    strong_n, strong_N = _scaled(labeled.strong_nS, others.strong_nS)
    weak_n, weak_N = _scaled(labeled.weak_nD, others.weak_nD)
    inside = (strong_n @ strong_n.T, weak_n @ weak_n.T)
    towards = (strong_N @ strong_n.T, weak_N @ weak_n.T)
    fold_n = np.arange(len(labels)) % min(FOLDS, len(labels))
    of_labeled, of_others = np.empty(len(labels)), np.zeros(len(others))
    folds = range(int(fold_n.max()) + 1)
    for fold in folds:
        train, held_out = np.flatnonzero(fold_n != fold), np.flatnonzero(fold_n == fold)
        strong_nn, weak_nn = (kernel[np.ix_(train, train)] for kernel in inside)
        model = _best(strong_nn, weak_nn, labels[train])
        of_labeled[held_out] = model.predict(*(kernel[np.ix_(held_out, train)] for kernel in inside))
        of_others += model.predict(*(kernel[:, train] for kernel in towards)) / len(folds)
    return of_labeled, of_others


@dataclass(frozen=True, slots=True, eq=False)
class _Ridge:
    """Ridge regression in its dual form: a weight for each of n training items."""

    shrinkage: float
    weights_n: Floats
    center_n: Floats
    mean: float
    error: float

    def predict(self, strong_mn: Floats, weak_mn: Floats) -> Floats:
        """Return m predictions from inner products with the training items."""
        kernel = strong_mn + self.shrinkage**2 * weak_mn
        return np.asarray((kernel - self.center_n) @ self.weights_n + self.mean)


def _best(strong_nn: Floats, weak_nn: Floats, labels_n: Floats) -> _Ridge:
    useful = _SHRINKAGES if strong_nn.any() else (1.0,)
    return min((_fit(strong_nn, weak_nn, labels_n, s) for s in useful), key=lambda model: model.error)


def _fit(strong_nn: Floats, weak_nn: Floats, labels_n: Floats, shrinkage: float) -> _Ridge:
    """Fit with the penalty of the least leave-one-out error, which a single decomposition gives for all of them."""
    kernel = strong_nn + shrinkage**2 * weak_nn
    center_n = kernel.mean(axis=0)
    centered = kernel - center_n - center_n[:, None] + center_n.mean()
    values_n, vectors_nn = np.linalg.eigh(centered)
    values_n = np.maximum(values_n, 0.0)
    n, residuals = len(labels_n), labels_n - labels_n.mean()
    turned_n = vectors_nn.T @ residuals
    kept_Pn = values_n / (values_n + _PENALTIES[:, None])
    fitted_Pn = (kept_Pn * turned_n) @ vectors_nn.T
    leverage_Pn = kept_Pn @ (vectors_nn**2).T + 1 / n
    error_P = (((residuals - fitted_Pn) / np.maximum(1 - leverage_Pn, 1e-6)) ** 2).mean(axis=1)
    best = int(error_P.argmin())
    weights_n = vectors_nn @ (turned_n / (values_n + _PENALTIES[best]))
    # Predictions center the training side only by what is common to all; the weights add up to zero.
    return _Ridge(shrinkage, weights_n - weights_n.mean(), center_n, float(labels_n.mean()), float(error_P[best]))


def _scaled(labeled_nF: Floats, others_NF: Floats) -> tuple[Floats, Floats]:
    """Center columns, and scale the block so that its rows have a squared length of 1 on the mean."""
    together = np.concatenate([labeled_nF, others_NF]).astype(np.float64)
    together -= together.mean(axis=0) if len(together) else 0.0
    length = float((together**2).sum() / max(len(together), 1)) ** 0.5
    together /= length if length > 1e-12 else 1.0
    return together[: len(labeled_nF)], together[len(labeled_nF) :]

"""Predictions of people's labels that were made without looking at them.

Ridge regressions without each fold, and their leave-one-out errors, come in closed form from one decomposition of the
kernel of all labels (Cawley 2006, Leave-One-Out Cross-Validation Based Model Selection Criteria for Weighted LS-SVMs).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_FOLDS = 20
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
    nothing. There are twenty, so that hardly a label is lost to a fit. Labels may be 0 and 1, or numbers.

    Raises:
        ValueError: there are not as many labels as labeled rows, or fewer than four.
    """
    labels = np.asarray(labels_nK, np.float64)
    if len(labeled) != len(labels) or len(labels) < 4:
        raise ValueError(f"{len(labels)} labels for {len(labeled)} rows; expected one each, at least four")
    columns_nK = labels.reshape(len(labels), -1)
    strong_n, strong_N = _scaled(labeled.strong_nS, others.strong_nS)
    weak_n, weak_N = _scaled(labeled.weak_nD, others.weak_nD)
    strong_nn, weak_nn = strong_n @ strong_n.T, weak_n @ weak_n.T
    shrinkages = _SHRINKAGES if strong_nn.any() and weak_nn.any() else (1.0,)
    folds = _Folds.of(len(labels))
    found = [_fit(folds, strong_nn + shrinkage**2 * weak_nn, columns_nK) for shrinkage in shrinkages]
    best_FK = np.argmin([models.error_FK for models in found], axis=0)
    of_labeled, of_others = np.empty(columns_nK.shape), np.zeros((len(others), columns_nK.shape[1]))
    for place, (shrinkage, models) in enumerate(zip(shrinkages, found, strict=True)):
        is_best_FK = best_FK == place
        of_labeled = np.where(is_best_FK[folds.fold_n], models.held_out_nK, of_labeled)
        weights_nK = (models.weights_FnK * is_best_FK[:, None]).mean(axis=0)
        of_others += strong_N @ (strong_n.T @ weights_nK) + shrinkage**2 * (weak_N @ (weak_n.T @ weights_nK))
        of_others += (models.level_FK * is_best_FK).mean(axis=0)
    return of_labeled.reshape(labels.shape), of_others.reshape(len(others), *labels.shape[1:])


@dataclass(frozen=True, slots=True, eq=False)
class _Folds:
    """F folds of m places each for n items, every F-th in the same fold; ``fold_n`` says in which an item is.

    ``place_n`` is an item's place among the P = F x m; the places that are left over are nobody's.
    """

    fold_n: npt.NDArray[np.int64]
    place_n: npt.NDArray[np.int64]
    count: int
    size: int

    @classmethod
    def of(cls, items: int) -> _Folds:
        """Return at most twenty folds that differ by one item at most."""
        count = min(items, _FOLDS)
        size = -(-items // count)
        item_n = np.arange(items)
        return cls(item_n % count, item_n % count * size + item_n // count, count, size)

    def spread(self, values_nX: Floats) -> Floats:
        """Return the rows at their places, (P, X), with zeros at nobody's."""
        found = np.zeros((self.count * self.size, values_nX.shape[1]))
        found[self.place_n] = values_nX
        return found

    @property
    def kept(self) -> Floats:
        """How many items are in all other folds, (F,)."""
        return np.asarray(len(self.fold_n) - np.bincount(self.fold_n), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Models:
    """Ridge regressions of K numbers, one without each of F folds of n items, in their dual form.

    A model predicts its level plus the inner products with the n items by their weights, 0 for its own fold.
    ``error_FK`` is the leave-one-out error among the others, ``held_out_nK`` what is predicted without an item's fold.
    """

    error_FK: Floats
    weights_FnK: Floats
    level_FK: Floats
    held_out_nK: Floats


def _fit(folds: _Folds, kernel_nn: Floats, labels_nK: Floats) -> _Models:
    """Fit each model and number with the penalty of the least leave-one-out error."""
    n, K = labels_nK.shape
    F, m, P = folds.count, folds.size, folds.count * folds.size
    center_n = kernel_nn.mean(axis=0)
    values_n, vectors_nn = np.linalg.eigh(kernel_nn - center_n - center_n[:, None] + center_n.mean())
    values_n = np.maximum(values_n, 0.0)
    vectors_Pn, labels_PK, ones_P1 = (folds.spread(each) for each in (vectors_nn, labels_nK, np.ones((n, 1))))
    nobody = np.flatnonzero(ones_P1 == 0)
    own = np.arange(F)
    error_FK, weights_FPK, residual_FmK = np.full((F, K), np.inf), np.zeros((F, P, K)), np.zeros((F, m, K))
    for penalty in _PENALTIES:
        # What turns labels into weights, the intercept without a penalty.
        turning_PP = (vectors_Pn / (values_n + penalty)) @ vectors_Pn.T - ones_P1 @ ones_P1.T / (n * penalty)
        turning_PP[nobody, nobody] = 1.0
        turned_PK = turning_PP @ labels_PK
        rows_FmP, blocks_Fmm = turning_PP.reshape(F, m, P), turning_PP.reshape(F, m, F, m)[own, :, own]
        missed_FmK = np.linalg.solve(blocks_Fmm, turned_PK.reshape(F, m, K))
        without_FPK = turned_PK - rows_FmP.transpose(0, 2, 1) @ missed_FmK
        room_FP = np.diag(turning_PP) - (rows_FmP * np.linalg.solve(blocks_Fmm, rows_FmP)).sum(axis=1)
        without_FPK.reshape(F, F, m, K)[own, own] = 0.0
        room_FP.reshape(F, F, m)[own, own] = 1.0
        left_FPK = without_FPK / np.maximum(room_FP, 1e-6 / penalty)[:, :, None]
        found_FK = (left_FPK**2).sum(axis=1) / folds.kept[:, None]
        better_F1K = (found_FK < error_FK)[:, None]
        error_FK = np.minimum(error_FK, found_FK)
        weights_FPK = np.where(better_F1K, without_FPK, weights_FPK)
        residual_FmK = np.where(better_F1K, missed_FmK, residual_FmK)
    held_out_nK = labels_nK - residual_FmK.reshape(P, K)[folds.place_n]
    weights_FnK = weights_FPK[:, folds.place_n]
    is_other_Fn = folds.fold_n != own[:, None]
    level_Fn = (is_other_Fn @ kernel_nn) / folds.kept[:, None]
    level_FK = (is_other_Fn @ labels_nK) / folds.kept[:, None] - np.einsum("fn,fnk->fk", level_Fn, weights_FnK)
    return _Models(error_FK, weights_FnK, level_FK, held_out_nK)


def _scaled(labeled_nF: Floats, others_NF: Floats) -> tuple[Floats, Floats]:
    """Center columns, and scale the block so that its rows have a squared length of 1 on the mean."""
    together = np.concatenate([labeled_nF, others_NF]).astype(np.float64)
    together -= together.mean(axis=0) if len(together) else 0.0
    length = float((together**2).sum() / max(len(together), 1)) ** 0.5
    together /= length if length > 1e-12 else 1.0
    return together[: len(labeled_nF)], together[len(labeled_nF) :]

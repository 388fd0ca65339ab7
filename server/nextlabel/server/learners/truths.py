"""What real items truly are, type by type: how a learner of that is fitted, and how right it is about each item.

A learner here is a plain one that is fitted in milliseconds, since it is fitted in every fold with and without what is
to be measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from nextlabel.server.learners.candidates.choice import stratified_folds
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic
from nextlabel.server.learners.multi_label.heads import Answers, fit_heads

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
H = TypeVar("H")

_C = 10.0
_RIDGE = 1.0
CLOSE = 0.25
"""Share of the range from which on a score is another one than a text was written for."""


class Truth(Protocol[H]):
    """What N real items truly are; ``H`` is a fitted learner of it."""

    @property
    def targets_N(self) -> NDArray[Any]:  # noqa: N802 -- one row an item
        """One row an item: a class index, a row of booleans a class, or a share of the range."""
        ...

    @property
    def varies(self) -> bool:
        """Whether there is anything to tell apart."""
        ...

    def folds(self, rng: np.random.Generator, count: int) -> Sequence[Int64]:
        """Return disjoint parts of the N items."""
        ...

    def fit(self, embeddings_nD: Float32, targets_n: NDArray[Any], weights_n: Float32, start: H | None) -> H:
        """Fit a learner to any targets of this kind."""
        ...

    def agrees(self, head: H, embeddings_SD: Float32, targets_S: NDArray[Any]) -> Bool:
        """Return which targets a learner finds, too."""
        ...

    def right(self, head: H, embeddings_hD: Float32, rows_h: Int64) -> Float64:
        """Return how right a learner is about some of the items; the mean over all N is the measure, in [0, 1]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ClassTruth:
    """Implements `Truth` for one class an item: (N,) indexes. Every class has the same say, as in training."""

    targets_N: Int64
    n_classes: int

    @property
    def varies(self) -> bool:
        """See `Truth.varies`."""
        return len(np.unique(self.targets_N)) > 1

    def folds(self, rng: np.random.Generator, count: int) -> Sequence[Int64]:
        """See `Truth.folds`."""
        return stratified_folds(self.targets_N, rng, count)

    def fit(
        self, embeddings_nD: Float32, targets_n: NDArray[Any], weights_n: Float32, start: TrainedHead | None
    ) -> TrainedHead:
        """See `Truth.fit`: balanced logistic regression."""
        return fit_logistic(embeddings_nD, targets_n, weights_n, LogisticSettings(self.n_classes), start)

    def agrees(self, head: TrainedHead, embeddings_SD: Float32, targets_S: NDArray[Any]) -> Bool:
        """See `Truth.agrees`: the most probable class is the one."""
        return np.asarray(head.logits(embeddings_SD).argmax(axis=1) == targets_S)

    def right(self, head: TrainedHead, embeddings_hD: Float32, rows_h: Int64) -> Float64:
        """See `Truth.right`: accuracy, the mean over classes."""
        counts_C = np.bincount(self.targets_N)
        truth_h = self.targets_N[rows_h]
        weights_h = len(self.targets_N) / (counts_C[truth_h] * np.count_nonzero(counts_C))
        return np.asarray((head.logits(embeddings_hD).argmax(axis=1) == truth_h) * weights_h, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class SetTruth:
    """Implements `Truth` for any number of classes an item: (N, C) booleans. Yes and no have the same say in each."""

    targets_N: Bool

    @property
    def varies(self) -> bool:
        """See `Truth.varies`."""
        return bool(self._told.any())

    def folds(self, rng: np.random.Generator, count: int) -> Sequence[Int64]:
        """See `Truth.folds`: each item is dealt out by the rarest of its classes."""
        rarity_C = np.where(self.targets_N, self.targets_N.sum(axis=0), np.inf)
        rarest_N = np.where(self.targets_N.any(axis=1), rarity_C.argmin(axis=1) + 1, 0)
        return stratified_folds(rarest_N.astype(np.int64), rng, count)

    def fit(
        self, embeddings_nD: Float32, targets_n: NDArray[Any], weights_n: Float32, start: TrainedHead | None
    ) -> TrainedHead:
        """See `Truth.fit`: a balanced logistic regression a class."""
        weights_nC = np.repeat(weights_n[:, None], targets_n.shape[1], axis=1).astype(np.float64)
        return fit_heads(Answers(embeddings_nD, targets_n.astype(np.float64), weights_nC).balanced(), _C, start)

    def agrees(self, head: TrainedHead, embeddings_SD: Float32, targets_S: NDArray[Any]) -> Bool:
        """See `Truth.agrees`: no class that is not meant is more probable than one that is."""
        return most_probable(head.logits(embeddings_SD), targets_S)

    def right(self, head: TrainedHead, embeddings_hD: Float32, rows_h: Int64) -> Float64:
        """See `Truth.right`: balanced accuracy, the mean over classes that some items have and some have not."""
        n, told = len(self.targets_N), self._told
        yes_C = self.targets_N.sum(axis=0)[told]
        truth_hC = self.targets_N[rows_h][:, told]
        weights_hC = n / (2 * np.where(truth_hC, yes_C, n - yes_C))
        right_hC = (head.logits(embeddings_hD)[:, told] > 0) == truth_hC
        return np.asarray((right_hC * weights_hC).mean(axis=1), np.float64)

    @property
    def _told(self) -> Bool:
        return np.asarray(self.targets_N.any(axis=0) & ~self.targets_N.all(axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTruth:
    """Implements `Truth` for scores: (N,) shares of the range, in [0, 1]."""

    targets_N: Float64

    @property
    def varies(self) -> bool:
        """See `Truth.varies`."""
        return len(np.unique(self.targets_N)) > 1

    def folds(self, rng: np.random.Generator, count: int) -> Sequence[Int64]:
        """See `Truth.folds`: low and high scores in each."""
        levels_N = np.floor(self.targets_N * 4.999).astype(np.int64)
        return stratified_folds(levels_N, rng, count)

    def fit(self, embeddings_nD: Float32, targets_n: NDArray[Any], weights_n: Float32, start: Ridge | None) -> Ridge:
        """See `Truth.fit`: ridge regression."""
        return Ridge(_RIDGE).fit(embeddings_nD, targets_n, weights_n)

    def agrees(self, head: Ridge, embeddings_SD: Float32, targets_S: NDArray[Any]) -> Bool:
        """See `Truth.agrees`."""
        return np.asarray(np.abs(self._predicted(head, embeddings_SD) - targets_S) <= CLOSE)

    def right(self, head: Ridge, embeddings_hD: Float32, rows_h: Int64) -> Float64:
        """See `Truth.right`: 1 less the error as a share of the range."""
        return 1 - np.abs(self._predicted(head, embeddings_hD) - self.targets_N[rows_h])

    @staticmethod
    def _predicted(head: Ridge, embeddings_nD: Float32) -> Float64:
        return np.clip(np.asarray(head.predict(embeddings_nD), np.float64), 0, 1)


def most_probable(scores_SC: NDArray[np.floating], targets_SC: Bool) -> Bool:
    """Return where all classes that are meant score above all that are not.

    >>> most_probable(np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]), np.array([[True, True, False]] * 2)).tolist()
    [True, False]
    """
    lowest_S = np.where(targets_SC, scores_SC, np.inf).min(axis=1)
    highest_S = np.where(targets_SC, -np.inf, scores_SC).max(axis=1)
    return np.asarray(lowest_S > highest_S)

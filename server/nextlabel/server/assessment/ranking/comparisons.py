"""Answers about pairs of texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Ints = NDArray[np.int64]

FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """M answers by W annotators about pairs of T texts.

    Attributes:
        first_M: the text that was shown first, from 0 to T - 1; ``second_M`` the other one.
        answer_M: `FIRST`, `TIE` or `SECOND` of `davidson`.
        annotator_M: who answered, from 0 to W - 1.
    """

    first_M: Ints
    second_M: Ints
    answer_M: Ints
    annotator_M: Ints
    texts: int
    annotators: int

    def __len__(self) -> int:
        return len(self.answer_M)

    def take(self, some: Ints) -> Comparisons:
        """Return some of the answers about the same texts."""
        columns = (self.first_M[some], self.second_M[some], self.answer_M[some], self.annotator_M[some])
        return Comparisons(*columns, self.texts, self.annotators)

    def folds(self) -> list[tuple[Comparisons, Comparisons]]:
        """Return answers kept and answers left out, `FOLDS` times: each is left out once."""
        order = np.random.default_rng(0).permutation(len(self))
        return [(self.take(np.delete(order, np.s_[f::FOLDS])), self.take(order[f::FOLDS])) for f in range(FOLDS)]

    def information(self, told_M: Float64) -> Float64:
        """Return what all answers tell of rewards, (T, T), by what each tells of the difference of its texts, (M,)."""
        information_TT = np.zeros((self.texts, self.texts))
        first, second = self.first_M, self.second_M
        for a, b, sign in ((first, first, 1), (second, second, 1), (first, second, -1), (second, first, -1)):
            np.add.at(information_TT, (a, b), sign * told_M)
        return information_TT

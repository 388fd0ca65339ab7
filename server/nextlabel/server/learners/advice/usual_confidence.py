"""How sure advisors say they are where they name a class: what a single confidence is to be held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.features import KINDS

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Number = TypeVar("Number", np.float32, np.float64)

OF_ALL = 0.5  # answers by which the mean over a class leans on that over all


@dataclass(frozen=True, slots=True, eq=False)
class UsualConfidence:
    """What advisors state on the mean.

    An LLM that says "polite, .85" of most texts would else be taken to be nearly sure of what it says on the mean.

    Attributes:
        means_AC: of each advisor's column of confidence, over its answers that name a class.
        stated_A: in how many answers each advisor says how sure it is.
    """

    means_AC: Float64
    stated_A: NDArray[np.int64]

    @classmethod
    def of(cls, advice_NF: Float32, advisors: int) -> UsualConfidence:
        """That of columns of `AdviceFeatures`."""
        sure_NAC = _columns(advice_NF, advisors)[:, :, 1].astype(np.float64)
        stated_AC, sum_AC = np.count_nonzero(sure_NAC, axis=0), sure_NAC.sum(axis=0)
        stated_A = stated_AC.sum(axis=1)
        of_all_A = sum_AC.sum(axis=1) / np.maximum(stated_A, 1)
        means_AC = (sum_AC + OF_ALL * of_all_A[:, None]) / (stated_AC + OF_ALL)
        return cls(means_AC, stated_A)

    def held_against(self, advice_NF: Float32) -> Float32:
        """The columns with each confidence less the usual one in the class named."""
        columns_NAKC = _columns(advice_NF, len(self.stated_A)).copy()
        columns_NAKC[:, :, 1] -= (columns_NAKC[:, :, 0] * self.means_AC).astype(np.float32)
        return columns_NAKC.reshape(advice_NF.shape)

    def as_stated(self, coef_CF: Float64) -> Float64:
        """The coefficients by which columns as they are say what these say by columns that are held against it."""
        coef_CAKC = _columns(coef_CF, len(self.stated_A)).copy()
        coef_CAKC[:, :, 0] -= coef_CAKC[:, :, 1] * self.means_AC
        return coef_CAKC.reshape(coef_CF.shape)


def _columns(columns_NF: NDArray[Number], advisors: int) -> NDArray[Number]:
    n_classes = columns_NF.shape[1] // (advisors * KINDS)
    return columns_NF.reshape(len(columns_NF), advisors, KINDS, n_classes)

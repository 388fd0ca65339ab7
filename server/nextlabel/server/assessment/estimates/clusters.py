"""Draws that were judged with each other's help: they tell less than as many that were judged by themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.intervals import Estimate

FEW_LABELS = 10
"""Labels of a class below which one of them often decides how others of the class are predicted."""

LEARNED_TOGETHER = 1.25
"""By how much errors of learners vary more than their draws would, where classes have many labels (measured)."""


def design_effect(
    right_n: npt.NDArray[np.bool_],
    class_n: npt.NDArray[np.int64],
    learned_n: npt.NDArray[np.bool_],
    few_n: npt.NDArray[np.bool_],
) -> float:
    """Return by how much the variance of the share that is right exceeds that of as many independent draws; at least 1.

    Draws in ``learned_n`` are judged by learners that were trained on the others. Whether one is right then depends on
    another as that does on it: with g(i, j), what draw j changes in how probably i is right, the n draws' variance
    grows by the mean of g(i, j) g(j, i), which is positive as alike texts help each other. No single set of folds shows
    it (Bengio and Grandvalet 2004), so that `LEARNED_TOGETHER` stands for it.

    Where a class has few labels it is large: one draw of it is wrong, two are right. Such draws, told by ``few_n``,
    count together with those of their class, as one cluster (Kish 1965; Liang and Zeger 1986). That the learner of all
    draws is the better the less often they drew the same class again is left out: where draws are nearly all labels
    that there are, it tells too little.
    """
    if not len(right_n):
        return 1.0
    off_n = right_n - right_n.mean()
    alone = float((off_n**2).sum())
    together_c = np.bincount(class_n[few_n], off_n[few_n])
    inflated_n = np.where(learned_n, LEARNED_TOGETHER, 1.0) * off_n**2
    clustered = float(inflated_n[~few_n].sum() + max(inflated_n[few_n].sum(), (together_c**2).sum()))
    return clustered / alone if alone else 1.0


def widened(share: Estimate, effect: float) -> Estimate:
    """Return a share whose variance is larger by that factor, with an interval within [0, 1]."""
    low, high = (share.value + effect**0.5 * (end - share.value) for end in (share.low, share.high))
    return replace(share, low=min(share.value, max(0.0, low)), high=max(share.value, min(1.0, high)))

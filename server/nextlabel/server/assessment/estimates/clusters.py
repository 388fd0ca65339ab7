"""Draws that were judged with each other's help: they tell less than as many that were judged by themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.intervals import Estimate

FEW_LABELS = 10
"""Labels of a class below which one of them often decides how others of the class are predicted."""


def design_effect(
    right_n: npt.NDArray[np.bool_], class_n: npt.NDArray[np.int64], few_n: npt.NDArray[np.bool_]
) -> float:
    """Return by how much the variance of the share that is right exceeds that of as many independent draws; at least 1.

    Each draw is judged by a learner that was trained on the others. Where a class has few labels, two draws of it help
    each other to be right, and one alone is wrong: such draws, told by ``few_n``, count together with those of their
    class, as one cluster (Kish 1965; Liang and Zeger 1986). That the learner of all draws is the better the less often
    they drew the same class again is left out: where draws are nearly all labels that there are, it tells too little.
    """
    if not len(right_n):
        return 1.0
    off_n = right_n - right_n.mean()
    alone = float((off_n**2).sum())
    together_c = np.bincount(class_n[few_n], off_n[few_n])
    clustered = float((off_n[~few_n] ** 2).sum() + (together_c**2).sum())
    return max(1.0, clustered / alone) if alone else 1.0


def widened(share: Estimate, effect: float) -> Estimate:
    """Return a share whose variance is larger by that factor, with an interval within [0, 1]."""
    low, high = (share.value + effect**0.5 * (end - share.value) for end in (share.low, share.high))
    return replace(share, low=min(share.value, max(0.0, low)), high=max(share.value, min(1.0, high)))

"""What choosing labels gained over drawing them at random, from learners trained on each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from nextlabel.server.assessment.intervals import Estimate, paired_difference

Bool = npt.NDArray[np.bool_]
Float = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_RESAMPLES = 2_000
_HALVES = 5
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, eq=False)
class LabelArm:
    """Learners of one way to get labels, judged on the same n holdout items.

    Attributes:
        labels: how many labels each of K learners had, ascending.
        right_Kn: which items each predicts right.
        luck: standard deviation of the accuracy by the labels that happened to be there.
    """

    labels: Sequence[int]
    right_Kn: Bool
    luck: float


@dataclass(frozen=True, slots=True)
class Savings:
    """Chosen labels beside as many random ones.

    Attributes:
        chosen: accuracy of the learner of the chosen labels.
        at_random: accuracy of the learner of the random ones.
        gain: what the first is above the second.
        saved: how many fewer chosen labels do as well as the random ones; below 0 where more would be needed.
        reached: whether the chosen labels did as well at all; if not, ``saved`` is an upper bound.
    """

    chosen: float
    at_random: float
    gain: Estimate
    saved: Estimate
    reached: bool


def arm_of(judge: Callable[[Places], Bool], places: Places, count: int, shares: Sequence[float]) -> LabelArm:
    """Return the arm whose labels stand at ``places``, in the order in which they came.

    ``judge`` trains a learner on some places and says which holdout items it predicts right. One is trained on the
    first labels for each of the ``shares`` of ``count``, as far as there are so many. The luck is that of the first
    ``count``, by the delete-half jackknife (Shao and Wu 1989) over random halves.
    """
    labels = sorted({min(len(places), max(1, round(share * count))) for share in shares})
    rng = np.random.default_rng(0)
    halves = [rng.permutation(places[:count])[: count // 2] for _ in range(_HALVES)]
    luck = float(np.std([judge(half).mean() for half in halves], ddof=1))
    return LabelArm(labels, np.stack([judge(places[:some]) for some in labels]), luck)


def savings(chosen: LabelArm, at_random: LabelArm, seed: int = 0) -> Savings:
    """Compare the arms at the random one's only count of labels, which is one of the chosen one's.

    The intervals hold both sources of chance: which items are on the holdout, and which labels happened to be there.
    Accuracies of the chosen arm are made monotone (isotonic regression), and counts are read between its learners on
    a logarithmic scale.
    """
    (count,) = at_random.labels
    ours, theirs = chosen.right_Kn[list(chosen.labels).index(count)], at_random.right_Kn[0]
    n = len(theirs)
    gain = gain_of(theirs, ours, sqrt(chosen.luck**2 + at_random.luck**2))
    needed, reached = _needed(chosen.labels, chosen.right_Kn.mean(axis=1), float(theirs.mean()))
    rng = np.random.default_rng(seed)
    weights_Rn = rng.multinomial(n, np.full(n, 1 / n), _RESAMPLES) / n
    curve_RK = weights_Rn @ chosen.right_Kn.T + rng.normal(0, chosen.luck, (_RESAMPLES, 1))
    target_R = weights_Rn @ theirs + rng.normal(0, at_random.luck, _RESAMPLES)
    again = [_needed(chosen.labels, curve_K, target)[0] for curve_K, target in zip(curve_RK, target_R, strict=True)]
    most, least = np.percentile(again, [97.5, 2.5])
    low, high = min(needed, float(least)), max(needed, float(most))
    return Savings(
        chosen=float(ours.mean()),
        at_random=float(theirs.mean()),
        gain=gain,
        saved=Estimate(count - needed, count - high, count - low, n),
        reached=reached,
    )


def gain_of(before_n: Bool, after_n: Bool, luck: float) -> Estimate:
    """Return how much more of the same n items the second learner predicts right than the first.

    ``luck`` is the standard deviation of that difference by the labels that happened to be there, which the interval
    holds beside the chance of the items.
    """
    n = len(before_n)
    paired = paired_difference(int((after_n & ~before_n).sum()), int((before_n & ~after_n).sum()), n)
    half = sqrt(((paired.high - paired.low) / 2) ** 2 + (_Z * luck) ** 2)
    middle = (paired.high + paired.low) / 2
    return Estimate(paired.value, max(-1.0, middle - half), min(1.0, middle + half), n)


def _needed(labels: Sequence[int], accuracy_K: Float, target: float) -> tuple[float, bool]:
    """Return the count of labels from which on the target is reached, the highest where it never is."""
    monotone_K = isotonic_regression(accuracy_K).x
    if monotone_K[-1] < target:
        return float(labels[-1]), False
    at = int(np.argmax(monotone_K >= target))
    if at == 0:
        return float(labels[0]), True
    below, above = monotone_K[at - 1], monotone_K[at]
    share = (target - below) / (above - below)
    low, high = np.log(labels[at - 1]), np.log(labels[at])
    return float(np.exp(low + share * (high - low))), True

"""How much a model can have gained on an earlier one, from the same items looked at by both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from nextlabel.server.assessment.estimates.anytime import error_of_look
from nextlabel.server.assessment.intervals import paired_difference

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Change:
    """What lies between two models.

    Of ``holdout`` items ``gained`` are right in the later model only and ``lost`` in the earlier one only. Of
    ``sampled`` items of the pool, whose labels nobody has to know, ``differing`` are predicted differently; ``kappa``
    is Cohen's of those predictions, 1 where both models know one class only.
    """

    gained: int
    lost: int
    holdout: int
    differing: int
    sampled: int
    kappa: float

    @property
    def gain(self) -> float:
        """Accuracy gained on the holdout; 0 without one."""
        return (self.gained - self.lost) / self.holdout if self.holdout else 0.0

    def most_gained(self, look: int) -> float:
        """Return an upper bound of the accuracy gained, at a look (from 1); all looks together miss in 5 % at most.

        Paired readings on the holdout bound it (Bonett and Price 2012), and so does the share of the pool that is
        predicted differently (Clopper and Pearson 1934): no more than that can have become right.
        """
        error = error_of_look(look) / 2
        bounds = [1.0]
        if self.holdout:
            # An interval that misses on both sides twice as often as its upper end does.
            bounds.append(paired_difference(self.gained, self.lost, self.holdout, 2 * error).high)
        if self.sampled > self.differing:
            bounds.append(float(betaincinv(self.differing + 1, self.sampled - self.differing, 1 - error)))
        return min(bounds)


def change_between(
    earlier_M: Int64, later_M: Int64, *, earlier_n: Int64, later_n: Int64, true_n: Int64, classes: int
) -> Change:
    """Compare the predictions of two models: for M items of the pool, and for n holdout items with their labels."""
    was_right, is_right = earlier_n == true_n, later_n == true_n
    return Change(
        gained=int((is_right & ~was_right).sum()),
        lost=int((was_right & ~is_right).sum()),
        holdout=len(true_n),
        differing=int((earlier_M != later_M).sum()),
        sampled=len(later_M),
        kappa=_kappa(earlier_M, later_M, classes),
    )


def f_change_bound(kappa: float) -> float:
    """Return how much the F-measure can have changed at most between two models with this agreement.

    4 (1 - kappa) / kappa, at most 1 (Bloodgood and Grothendieck 2013, arXiv 1504.06329): of a task with two classes,
    over the items that the agreement was measured on.
    """
    return min(1.0, 4 * (1 - kappa) / kappa) if kappa > 0 else 1.0


def _kappa(earlier_M: Int64, later_M: Int64, classes: int) -> float:
    """Return Cohen's kappa; 0 without items, 1 where one class is all that both predict."""
    if not len(later_M):
        return 0.0
    first_C, second_C = (np.bincount(given_M, minlength=classes) / len(given_M) for given_M in (earlier_M, later_M))
    chance = float(first_C @ second_C)
    return 1.0 if chance > 1 - 1e-12 else (float((earlier_M == later_M).mean()) - chance) / (1 - chance)

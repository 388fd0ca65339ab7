"""Promises about labels that no person looks at: "at least 95 % of those accepted are right, with 95 % confidence".

Thresholds are tested from a strict one on towards lax ones, each by an exact binomial test on gold at the same error,
until one fails (fixed-sequence testing: Angelopoulos et al. 2021, Learn then Test, arXiv 2110.01052). A promise is
broken only if the first threshold that does not keep it passes its test, so that no correction is needed for how many
there are. Which one is tested first depends on how much gold there is, and on nothing that gold says. A part of the
error is kept for the laxest threshold, which accepts everything: it may hold where scores say nothing (the fallback
procedure, Wiens 2003).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, binom

from nextlabel.server.assessment.intervals import Estimate, wilson_interval

Floats = npt.NDArray[np.float64]

_THRESHOLDS = 40
_FIRST_GOLD = 2
"""Gold expected above the first threshold, in multiples of the fewest that could prove it: some of it may be wrong."""
_FOR_ALL = 0.2
"""Part of the error that is kept for accepting everything."""


@dataclass(frozen=True, slots=True)
class Promise:
    """At least a share ``accuracy`` of what is accepted is right, with a probability of ``1 - error``."""

    accuracy: float
    error: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.accuracy < 1 or not 0 < self.error < 1:
            raise ValueError("accuracy and error must lie strictly between 0 and 1")

    @property
    def fewest_gold(self) -> int:
        """Gold items above a threshold that could prove it, were all of them right."""
        return ceil(log(self.error) / log(self.accuracy))


@dataclass(frozen=True, slots=True)
class Certificate:
    """The promise holds for all answers with a score of ``threshold`` or more.

    ``share`` of the answers that the thresholds were made from have such a score; ``right`` of ``gold`` did.
    """

    promise: Promise
    threshold: float
    share: float
    gold: int
    right: int

    @property
    def lower_bound(self) -> float:
        """Lowest accuracy that this gold leaves possible at the promise's error (Clopper and Pearson 1934)."""
        return float(beta.ppf(self.promise.error, self.right, self.gold - self.right + 1)) if self.right else 0.0


@dataclass(frozen=True, slots=True)
class Feasibility:
    """What can be said beforehand: accuracy without any threshold, and the share that people have to look at.

    ``people_at_least`` is the share that even a perfect order of the answers would leave to people, by the estimate.
    """

    accuracy: Estimate
    people_at_least: float
    gold_missing: int


def feasibility(right_n: npt.ArrayLike, promise: Promise) -> Feasibility | None:
    """Say whether a promise can be kept at all; None without gold.

    Of a share m of wrong answers at most a of the accepted may be wrong: (m - a) / (1 - a) have to be left out.
    """
    right = np.asarray(right_n, np.bool_)
    if not len(right):
        return None
    accuracy = wilson_interval(int(right.sum()), len(right))
    left_out = max(0.0, (promise.accuracy - accuracy.value) / promise.accuracy)
    return Feasibility(accuracy, left_out, max(0, promise.fewest_gold - len(right)))


def certify(
    gold_scores_n: npt.ArrayLike, right_n: npt.ArrayLike, pool_scores_N: npt.ArrayLike, promise: Promise
) -> Certificate | None:
    """Return the certificate that accepts most answers; None when the promise cannot be proven for any.

    ``pool_scores_N`` are the scores, higher = surer, of the answers that are to be accepted; gold has to be a random
    sample of the same kind of items, and scores must not have been fitted on its labels.

    Raises:
        ValueError: there is not one score for each gold answer.
    """
    scores, right = np.asarray(gold_scores_n, np.float64), np.asarray(right_n, np.bool_)
    pool = np.asarray(pool_scores_N, np.float64)
    if len(scores) != len(right):
        raise ValueError(f"{len(scores)} scores for {len(right)} gold answers; expected one each")
    if not len(pool):
        return None
    thresholds_T = np.unique(np.quantile(pool, np.linspace(1, 0, _THRESHOLDS + 1)[1:], method="lower"))[::-1]
    gold_T = np.array([(scores >= t).sum() for t in thresholds_T], np.int64)
    right_T = np.array([(right & (scores >= t)).sum() for t in thresholds_T], np.int64)
    share_T = np.array([(pool >= t).mean() for t in thresholds_T])
    enough = np.flatnonzero(len(scores) * share_T >= _FIRST_GOLD * promise.fewest_gold)
    first = int(enough[0]) if len(enough) else len(share_T) - 1
    # Were only the promised share right, as many right answers would be this rare.
    chance_T = binom.sf(right_T - 1, gold_T, promise.accuracy)
    at = _last_proven(chance_T, first, promise.error)
    if at is None:
        return None
    return Certificate(promise, float(thresholds_T[at]), float(share_T[at]), int(gold_T[at]), int(right_T[at]))


def _last_proven(chance_T: Floats, first: int, error: float) -> int | None:
    """Return the laxest threshold that is proven; None without one."""
    last = len(chance_T) - 1
    passed_T = chance_T[first:] <= error * (1 - _FOR_ALL)
    passed = len(passed_T) if passed_T.all() else int(passed_T.argmin())
    # What a kept promise leaves of the error goes on to the next test, so that the last one then has all of it.
    level = error if first + passed == last else error * _FOR_ALL
    if chance_T[last] <= level:
        return last
    return first + passed - 1 if passed else None

"""Means of a pool, and of its parts, from uniform draws that people labeled and from predictions of everything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.estimates.anytime import error_watched
from nextlabel.server.assessment.estimates.cross_fit import Features, cross_fitted
from nextlabel.server.assessment.estimates.figures import Figure, FigureKind
from nextlabel.server.assessment.estimates.pool_mean import Draws, pool_mean
from nextlabel.server.assessment.estimates.prediction_powered import Predictions, prediction_powered_mean
from nextlabel.server.assessment.intervals import Estimate

Floats = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

FEWEST_FOR_PREDICTIONS = 20
"""Draws from which on predictions are made of them."""

_COLUMNS_AT_ONCE = 100


@dataclass(frozen=True, slots=True, eq=False)
class PoolSurvey:
    """K numbers, such as whether each of K classes applies, of the S items looked at, in their order.

    ``draws`` were drawn among them at random. Of the ``others``, which nobody looked at, U are a uniform sample.
    ``predicted_SK`` and ``sample_UK`` are predictions, each made without the item's own label, with no columns where
    there are none. Of ``unknown`` items more, and of a share ``untold`` of the others, nobody can tell the numbers.
    These lie within ``limits``: intervals of the mean are widened by the most that they can change it.
    """

    draws: Draws
    values_SK: Floats
    predicted_SK: Floats
    sample_UK: Floats
    others: int
    unknown: int = 0
    limits: tuple[float, float] = (0.0, 1.0)
    untold: float = 0.0

    @classmethod
    def alone(cls, draws: Draws, values_SK: Floats, sample: int, others: int) -> Self:
        """Return a survey without predictions; ``sample`` of the others stand for all."""
        return cls(draws, values_SK, np.empty((len(values_SK), 0)), np.empty((sample, 0)), others)

    @classmethod
    def predicted(cls, draws: Draws, values_SK: Floats, seen: Features, sample: Features, others: int) -> Self:
        """Return a survey with predictions from the draws alone: which other items were looked at depends on labels."""
        drawn = draws.positions_M
        rest = np.setdiff1d(np.arange(len(values_SK)), drawn)
        targets = Features(
            np.concatenate([seen.strong_nS[rest], sample.strong_nS]),
            np.concatenate([seen.weak_nD[rest], sample.weak_nD]),
        )
        of_drawn = Features(seen.strong_nS[drawn], seen.weak_nD[drawn])
        predicted_SK = np.empty(values_SK.shape)
        sample_UK = np.empty((len(sample), values_SK.shape[1]))
        for start in range(0, values_SK.shape[1], _COLUMNS_AT_ONCE):
            columns = slice(start, start + _COLUMNS_AT_ONCE)
            predicted_SK[drawn, columns], of_targets = cross_fitted(of_drawn, values_SK[drawn, columns], targets)
            predicted_SK[rest, columns], sample_UK[:, columns] = of_targets[: len(rest)], of_targets[len(rest) :]
        return cls(draws, values_SK, predicted_SK, sample_UK, others)

    def part(self, seen_S: Bool, sample_U: Bool, unknown: int = 0) -> PoolSurvey | None:
        """Return the survey of a part of the pool, told by which items are in it; None without a draw.

        Draws are uniform within a part too. How many others it has is taken from the sample; ``unknown`` of the items
        that nobody can tell of are in it.
        """
        drawn = self.draws.positions_M[seen_S[self.draws.positions_M]]
        if not len(drawn):
            return None
        positions_M = (np.cumsum(seen_S) - 1)[drawn]
        others = round(self.others * float(sample_U.mean())) if len(sample_U) else 0
        draws = Draws.uniform(positions_M, int(seen_S.sum()) + others - positions_M)
        return replace(
            self,
            draws=draws,
            values_SK=self.values_SK[seen_S],
            predicted_SK=self.predicted_SK[seen_S],
            sample_UK=self.sample_UK[sample_U],
            others=others,
            unknown=unknown,
        )

    def figures(self, column: int, *, share: bool, watched: bool, error: float = 0.05) -> tuple[Figure, ...]:
        """Return the mean of a number by people's labels alone, and joined with predictions where that says more.

        ``share`` says that the number is 0 or 1. ``watched`` adds to each an interval that misses at any
        look with ``error``.
        """
        values_S = self.values_SK[:, column]
        found: dict[FigureKind, list[Figure]] = {FigureKind.AUDIT: [], FigureKind.PREDICTION_POWERED: []}
        for anytime in (False, True) if watched else (False,):
            spent = error_watched(len(self.draws), error) if anytime else 0.05
            alone = pool_mean(self.draws, values_S, share=share, error=spent)
            found[FigureKind.AUDIT].append(Figure(FigureKind.AUDIT, self._widened(alone), anytime))
            if self.predicted_SK.shape[1] and len(self.draws) >= FEWEST_FOR_PREDICTIONS:
                known = Predictions(self.predicted_SK[:, column], self.sample_UK[:, column], self.others)
                joined = prediction_powered_mean(self.draws, values_S, known, share=share, error=spent)
                if joined != alone:
                    told = Figure(FigureKind.PREDICTION_POWERED, self._widened(joined), anytime)
                    found[FigureKind.PREDICTION_POWERED].append(told)
        return (*found[FigureKind.AUDIT], *found[FigureKind.PREDICTION_POWERED])

    def _widened(self, mean: Estimate) -> Estimate:
        """Return the mean with the interval of all items, whatever the unknown ones are like."""
        share = (self.unknown + self.untold * self.others) / (len(self.values_SK) + self.others + self.unknown)
        least, most = self.limits
        low, high = (end + share * (bound - end) for end, bound in zip((mean.low, mean.high), self.limits, strict=True))
        value = min(max(mean.value, least), most)
        return replace(mean, value=value, low=min(max(low, least), value), high=max(min(high, most), value))

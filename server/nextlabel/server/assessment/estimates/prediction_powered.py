"""Few labels by people and many predictions, joined without bias.

PPI++ (Angelopoulos et al. 2023, arXiv 2311.01453): the predictions' mean, corrected by what people say that they get
wrong, with a weight that minimises the variance. Predictions that were fitted on the same labels have to be
cross-fitted (Zrnic and Candes 2023, arXiv 2309.16598). Of the weight only what labels show is taken: its estimate less
half a standard error, since few labels of a class make it vary by more than predictions can bring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from nextlabel.server.assessment.estimates.effective import share_estimate
from nextlabel.server.assessment.estimates.pool_mean import Draws, pool_mean
from nextlabel.server.assessment.intervals import Estimate

Floats = npt.NDArray[np.float64]

FEWEST_OF_EACH = 3
"""Draws with either answer, of 0 and 1, below which intervals with predictions were measured to miss too often."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predicted values: of the S items looked at, none made from its own label, and of a sample of the others.

    ``others`` counts the items that were not looked at, of which ``sample_U`` is a uniform sample.
    """

    seen_S: Floats
    sample_U: Floats
    others: int

    @property
    def mean(self) -> float:
        """The mean prediction over the whole pool."""
        unseen = self.others * float(self.sample_U.mean()) if self.others else 0.0
        return (float(self.seen_S.sum()) + unseen) / (len(self.seen_S) + self.others)

    @property
    def variance(self) -> float:
        """Variance of `mean`: not all of the others may have been predicted."""
        if not self.others:
            return 0.0
        share = self.others / (len(self.seen_S) + self.others)
        unsampled = max(0.0, 1 - len(self.sample_U) / self.others)
        return share**2 * float(self.sample_U.var()) / len(self.sample_U) * unsampled


def prediction_powered_mean(
    draws: Draws, values_S: npt.ArrayLike, predictions: Predictions, *, share: bool = False, error: float = 0.05
) -> Estimate:
    """Return the mean of a value over the pool, never with a wider interval than people's labels alone give.

    ``values_S`` are people's labels of the items looked at, of which ``draws`` were drawn at random. ``share`` says
    that labels are 0 or 1, ``error`` how often the interval may miss.

    Raises:
        ValueError: there is not one prediction for each item looked at.
    """
    values = np.asarray(values_S, np.float64)
    if len(values) != len(predictions.seen_S):
        raise ValueError(f"{len(values)} labels with {len(predictions.seen_S)} predictions; expected one each")
    alone = pool_mean(draws, values, share=share, error=error)
    drawn = values[draws.positions_M]
    weight = shown_weight(drawn, predictions.seen_S[draws.positions_M], predictions.sample_U)
    # Where people hardly ever gave one of two answers, nothing shows that predictions help.
    rarer = min(drawn.sum(), len(drawn) - drawn.sum()) if share else len(drawn)
    if weight == 0 or drawn.var() == 0 or rarer < FEWEST_OF_EACH:
        return alone
    mean, variance = draws.mean_and_variance(values - weight * predictions.seen_S)
    # The weight was estimated too: one degree of freedom more.
    variance = variance * (len(draws) - 1) / (len(draws) - 2) + weight**2 * predictions.variance
    joined = _with_interval(mean + weight * predictions.mean, variance, draws, share, error)
    return joined if joined.high - joined.low < alone.high - alone.low else alone


def shown_weight(labels_n: Floats, predictions_n: Floats, predictions_N: Floats) -> float:
    """Return the weight of the predictions that minimises the variance, less half a standard error; 0 is people alone.

    The error is that of a slope that does not assume even spreads (White 1980). A weight that is too low costs little,
    since the variance is flat about its least, and one that is too high does harm.
    """
    n = len(labels_n)
    spread = float(np.concatenate([predictions_n, predictions_N]).var())
    if n < 3 or spread < 1e-12:
        return 0.0
    off_n, told_n = labels_n - labels_n.mean(), predictions_n - predictions_n.mean()
    weight = float(off_n @ told_n) / (n - 1) / spread
    error = float(np.std((off_n - weight * told_n) * told_n, ddof=1) / n**0.5) / spread
    return max(0.0, weight - error / 2)


def _with_interval(value: float, variance: float, draws: Draws, share: bool, error: float) -> Estimate:
    freedom = len(draws) - 2
    if share:
        return share_estimate(value, variance, len(draws), draws.size_when_alike, freedom, error)
    half = float(stdtrit(freedom, 1 - error / 2)) * variance**0.5
    return Estimate(value, value - half, value + half, len(draws))

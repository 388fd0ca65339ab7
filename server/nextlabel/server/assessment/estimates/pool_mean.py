"""The mean of a pool from items that were drawn one after the other with known probabilities.

LURE (Farquhar et al. 2021, arXiv 2101.11665; Kossen et al. 2021, arXiv 2103.05331): every draw m yields an unbiased
guess at the mean, (what is known already + the drawn value / its probability) / N; the guesses are averaged with
weights that were fixed before the draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from nextlabel.server.assessment.estimates.effective import share_estimate
from nextlabel.server.assessment.intervals import Estimate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Which of the S items looked at, in their order, were drawn at random.

    ``positions_M`` are the draws' positions among the items looked at, ascending: what stands before a position could
    not be drawn there. ``remaining_M`` counts the items that could, each with the probability ``probabilities_M``.
    """

    positions_M: Ints
    remaining_M: Ints
    probabilities_M: Floats

    def __post_init__(self) -> None:
        if not len(self.positions_M):
            raise ValueError("there is no draw to estimate from")
        if not ((self.probabilities_M > 0) & (self.probabilities_M <= 1)).all() or (self.remaining_M < 1).any():
            raise ValueError("probabilities must lie in (0, 1], and at least one item remain at each draw")

    @classmethod
    def uniform(cls, positions_M: npt.ArrayLike, remaining_M: npt.ArrayLike) -> Draws:
        """Return draws that gave all remaining items the same probability."""
        remaining = np.asarray(remaining_M, np.int64)
        return cls(np.asarray(positions_M, np.int64), remaining, 1 / np.maximum(remaining, 1))

    @classmethod
    def one_at_a_time(cls, probabilities_M: npt.ArrayLike, pool_size: int) -> Draws:
        """Return draws of which each was the only item looked at in its turn.

        Raises:
            ValueError: there are more draws than items.
        """
        probabilities = np.asarray(probabilities_M, np.float64)
        turn_M = np.arange(len(probabilities))
        return cls(turn_M, pool_size - turn_M, probabilities)

    def __len__(self) -> int:
        return len(self.positions_M)

    @property
    def weights(self) -> Floats:
        """LURE's weights, (M,): the spread of a guess grows with what remains. They add up to 1."""
        weights = 1 / (self.remaining_M * np.maximum(self.remaining_M - 1.0, 1.0))
        return np.asarray(weights / weights.sum())

    @property
    def size_when_alike(self) -> float:
        """Number of uniform draws that are worth these when all values are about the same (Kish 1965)."""
        importance_M = self.weights / (self.probabilities_M * self.remaining_M)
        return float(importance_M.sum() ** 2 / (importance_M**2).sum())

    def mean_and_variance(self, values_S: Floats) -> tuple[float, float]:
        """Return the estimated mean over the pool and its variance, infinite with a single draw."""
        known_M = (np.cumsum(values_S) - values_S)[self.positions_M]
        drawn_M = values_S[self.positions_M]
        guesses_M = (known_M + drawn_M / self.probabilities_M) / (self.positions_M + self.remaining_M)
        mean = float(self.weights @ guesses_M)
        spread = float(self.weights**2 @ (guesses_M - mean) ** 2)
        return mean, spread * len(self) / (len(self) - 1) if len(self) > 1 else np.inf


def pool_mean(draws: Draws, values_S: npt.ArrayLike, *, share: bool = False, error: float = 0.05) -> Estimate:
    """Return the mean of a value over the pool, unbiased whatever else was looked at in between.

    ``values_S`` are the values of all items looked at, up to the last draw at least. With ``share`` they are 0 or 1
    and the interval is Wilson's at the effective sample size; else it is Student's. ``error`` is how often it may miss.
    """
    values = np.asarray(values_S, np.float64)
    mean, variance = draws.mean_and_variance(values)
    if share:
        if not np.ptp(values[draws.positions_M]):
            # Guesses differ by what was known before each draw alone, which says nothing of the items that were not.
            variance = 0.0
        return share_estimate(mean, variance, len(draws), draws.size_when_alike, len(draws) - 1, error)
    half = float(stdtrit(len(draws) - 1, 1 - error / 2)) * variance**0.5 if len(draws) > 1 else np.inf
    return Estimate(mean, mean - half, mean + half, len(draws))

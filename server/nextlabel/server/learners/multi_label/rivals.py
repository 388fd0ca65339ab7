"""What the likeliest other class of an item says of each one: most items have few classes, which compete.

A regression a class does not know of the others, so that an item that is surely of one class is given doubtful ones as
readily as an item of which nothing is sure. What competition is worth is one number for all classes, learned from
answers that the heads had not seen (stacking, Wolpert 1992, of one feature).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from nextlabel.server.learners.candidates.linear import TrainedHead

Float64 = NDArray[np.float64]

PENALTY = 1.0
"""Of how far slope, level and weight are from 1, 0 and 0; an answer about a class is worth up to 1/4."""

LEAST_SLOPE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Rivals:
    """Moves log-odds by ``weight`` times how far the rival's are above ``usual``.

    The rival of a class is the highest of the others, of which the frequencies of the classes are left out: a frequent
    class is no stronger a rival than a rare one.

    Attributes:
        frequencies_C: what the frequencies of the classes add to their log-odds.
        slope: what the log-odds were multiplied by, ``level`` what was added to them, before rivals count.
    """

    frequencies_C: NDArray[np.float32]
    slope: float
    level: float
    weight: float
    usual: float

    def scaled(self, head: TrainedHead) -> TrainedHead:
        """Return heads of classes that count alike as heads whose log-odds are those before rivals count."""
        intercept_C = self.slope * head.intercept_C + self.level + self.frequencies_C
        return TrainedHead(np.float32(self.slope) * head.coef_CD, intercept_C.astype(np.float32))

    def moved(self, logits_nC: NDArray[np.floating]) -> Float64:
        """Return the log-odds after rivals have counted, (n, C)."""
        return np.asarray(logits_nC + self.weight * (rival_logits(logits_nC - self.frequencies_C) - self.usual))


def rival_logits(logits_nC: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the highest log-odds of the other classes, (n, C), of at least 2.

    >>> rival_logits(np.array([[3.0, 1.0, 2.0]])).tolist()
    [[2.0, 3.0, 3.0]]
    """
    best_two_n2 = np.partition(logits_nC, -2, axis=1)[:, -2:]
    return np.where(logits_nC == best_two_n2[:, 1:], best_two_n2[:, :1], best_two_n2[:, 1:])


def fitted_rivals(logits_nC: Float64, truth_nC: NDArray[np.bool_], frequencies_C: NDArray[np.float32]) -> Rivals | None:
    """Learn slope, level and weight of all classes at once; None where that says nothing.

    Args:
        logits_nC: log-odds of classes that count alike, by heads that had not seen these items.
        truth_nC: which classes apply.
        frequencies_C: what is added to them for the frequencies of the classes.
    """
    if logits_nC.shape[1] < 2:
        return None
    rivals_nC = rival_logits(logits_nC)
    points = np.stack([logits_nC.ravel(), np.ones(logits_nC.size), rivals_nC.ravel()], axis=1)
    frequencies, true = np.broadcast_to(frequencies_C, truth_nC.shape).ravel(), truth_nC.ravel()
    expected = np.array([1.0, 0.0, 0.0])

    def loss(line: Float64) -> tuple[float, Float64]:
        logits, apart = points @ line + frequencies, line - expected
        value = (np.logaddexp(0, logits) - true * logits).sum() + PENALTY / 2 * (apart @ apart)
        return float(value), points.T @ (expit(logits) - true) + PENALTY * apart

    # Newton's steps overshoot where answers are few and frequencies far apart.
    line = minimize(loss, expected, jac=True, method="L-BFGS-B").x
    slope, level, by_rival = line.tolist()
    if not slope >= LEAST_SLOPE:
        return None
    # slope z + level + by_rival r, r the rival's z, in terms of y = slope z + what is left of level at a usual rival.
    usual_rival = float(rivals_nC.mean())
    level += by_rival * usual_rival
    return Rivals(
        frequencies_C=frequencies_C,
        slope=slope,
        level=level,
        weight=by_rival / slope,
        usual=slope * usual_rival + level,
    )

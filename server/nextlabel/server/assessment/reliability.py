"""Whether confidences mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The items whose confidence lies in [low, high): their mean confidence and their accuracy."""

    low: float
    high: float
    items: int
    confidence: float
    accuracy: float


def reliability(confidences: npt.ArrayLike, is_right: npt.ArrayLike, bins: int = BINS) -> Sequence[ReliabilityBin]:
    """Return the occupied bins of a reliability diagram with equal bins over [0, 1]; the last one includes 1."""
    confidences_n, right_n = np.asarray(confidences, np.float64), np.asarray(is_right, np.bool_)
    if len(confidences_n) != len(right_n):
        raise ValueError(f"{len(confidences_n)} confidences for {len(right_n)} answers; expected one each")
    place = np.minimum((confidences_n * bins).astype(np.int64), bins - 1)
    return [
        ReliabilityBin(
            low=b / bins,
            high=(b + 1) / bins,
            items=int((place == b).sum()),
            confidence=float(confidences_n[place == b].mean()),
            accuracy=float(right_n[place == b].mean()),
        )
        for b in np.unique(place).tolist()
    ]


def expected_calibration_error(confidences: npt.ArrayLike, is_right: npt.ArrayLike, bins: int = BINS) -> float:
    """Return the mean gap between confidence and accuracy over equal bins (Guo et al. 2017), in [0, 1].

    >>> round(expected_calibration_error([0.9, 0.9, 0.9, 0.9], [True, True, True, False]), 2)
    0.15

    Raises:
        ValueError: there are no confidences.
    """
    occupied = reliability(confidences, is_right, bins)
    if not occupied:
        raise ValueError("the calibration error needs at least one confidence")
    total = sum(b.items for b in occupied)
    return sum(b.items * abs(b.confidence - b.accuracy) for b in occupied) / total

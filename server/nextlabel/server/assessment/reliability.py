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


def reliability(confidences_n: npt.NDArray[np.float64], correct_n: npt.NDArray[np.bool_]) -> Sequence[ReliabilityBin]:
    """Return the occupied bins of a reliability diagram with ten equal bins over [0, 1]."""
    place = np.minimum((confidences_n * BINS).astype(np.int64), BINS - 1)
    return [
        ReliabilityBin(
            low=b / BINS,
            high=(b + 1) / BINS,
            items=int((place == b).sum()),
            confidence=float(confidences_n[place == b].mean()),
            accuracy=float(correct_n[place == b].mean()),
        )
        for b in range(BINS)
        if (place == b).any()
    ]


def calibration_error(confidences_n: npt.NDArray[np.float64], correct_n: npt.NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten equal bins (Guo et al. 2017), in [0, 1]."""
    bins = reliability(confidences_n, correct_n)
    return sum(b.items * abs(b.confidence - b.accuracy) for b in bins) / len(confidences_n)

"""What the confidences that are delivered are worth: those of a calibrator, on gold that it was not fitted on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.calibration import Calibrator, GoldCheck

FOLDS = 10


def delivered_confidences(
    checks: Mapping[str, GoldCheck],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]] | None:
    """Return out-of-fold confidences (n,) in (0, 1) with whether the answers were right; None with too little gold.

    ``checks`` holds gold checks by item id. A confidence is that of a calibrator fitted on the other folds, so that
    its error is what new items meet, not what the calibrator has learned by heart. Folds go by item id: the figure
    is the same whenever it is asked for.
    """
    folds: list[list[GoldCheck]] = [[] for _ in range(FOLDS)]
    for number, item_id in enumerate(sorted(checks, key=_shuffled)):
        folds[number % FOLDS].append(checks[item_id])
    pairs: list[tuple[float, bool]] = []
    for held_out in folds:
        calibrator = Calibrator.fit([check for fold in folds if fold is not held_out for check in fold])
        if calibrator is None:
            return None
        pairs += _judged(calibrator, held_out)
    if not pairs:
        return None
    confidences, right = zip(*pairs, strict=True)
    return np.array(confidences, np.float64), np.array(right, np.bool_)


def _judged(calibrator: Calibrator, held_out: Sequence[GoldCheck]) -> list[tuple[float, bool]]:
    found = [(calibrator.probability(check.signals), check.is_right) for check in held_out]
    return [(confidence, right) for confidence, right in found if confidence is not None]


def _shuffled(item_id: str) -> bytes:
    return hashlib.sha256(item_id.encode()).digest()

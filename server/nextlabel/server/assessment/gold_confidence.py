"""How sure an annotator may be, learned from gold items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nextlabel.server.assessment.calibration import Calibrator, GoldCheck


class GoldConfidence:
    """Implements the annotators' `ConfidenceModel`: silent until it was fitted on gold items."""

    def __init__(self) -> None:
        self._calibrator: Calibrator | None = None

    def fit(self, checks: Sequence[GoldCheck]) -> None:
        """Fit on answers about gold items; with too few of them it stays silent."""
        self._calibrator = Calibrator.fit(checks)

    def probability(self, signals: Mapping[str, float]) -> float | None:
        """Return the probability that an answer is right, None while there is no telling."""
        return self._calibrator.probability(signals) if self._calibrator else None

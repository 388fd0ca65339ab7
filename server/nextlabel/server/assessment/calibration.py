"""From signals to a probability: a calibrator fitted on gold.

Language models are overconfident when asked (Xiong et al. 2023, arXiv 2306.13063), so no raw number is trusted:
before there is gold, a confidence says that it is uncalibrated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

MIN_GOLD = 30
"""Gold items that a calibrator is fitted on at least; fewer fit noise."""

_CLIP = 0.005
_PRIOR_PRECISION = 3.0
_NEWTON_STEPS = 25
_LARGEST_STEP = 2.0


@dataclass(frozen=True, slots=True)
class GoldCheck:
    """One annotated gold item: the signals of its answer and whether the answer was right."""

    signals: Mapping[str, float]
    is_right: bool


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Implements `ConfidenceModel`: logistic regression on the log-odds of the signals (Platt 1999).

    The prior takes the annotator at its word (the mean of the log-odds), so that little gold corrects a shift and
    much gold the slopes. With one signal this is Platt scaling. `center` and `scale` standardise the log-odds; a
    signal that an answer lacks stands at its mean over the gold items. `items` gold items were used.
    """

    names: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    items: int

    @classmethod
    def fit(cls, checks: Sequence[GoldCheck]) -> Self | None:
        """Fit on gold; None when there are fewer than `MIN_GOLD` checks with signals.

        Only signals that most checks have are used. Annotators who were always right, or never, are handled by two
        made-up observations, one right and one wrong, at the mean (Laplace), so that no probability reaches 0 or 1.
        """
        usable = [check for check in checks if check.signals]
        if len(usable) < MIN_GOLD:
            return None
        import numpy as np

        counts: dict[str, int] = {}
        for check in usable:
            for name in check.signals:
                counts[name] = counts.get(name, 0) + 1
        names = tuple(sorted(name for name, count in counts.items() if 2 * count > len(usable)))
        odds_NS = np.array([[_log_odds(check.signals.get(name)) for name in names] for check in usable])
        center_S = np.nanmean(odds_NS, axis=0)
        scale_S = np.maximum(np.nanstd(odds_NS, axis=0), 1e-6)
        features_NS = np.nan_to_num((odds_NS - center_S) / scale_S)
        right_N = np.array([check.is_right for check in usable])
        weights_S, intercept = _logistic_regression(features_NS, right_N, scale_S / len(names))
        return cls(names, tuple(center_S.tolist()), tuple(scale_S.tolist()), tuple(weights_S), intercept, len(usable))

    def probability(self, signals: Mapping[str, float]) -> float | None:
        """The probability in (0, 1) that an answer with these signals is right; None without any known signal."""
        if not any(name in signals for name in self.names):
            return None
        total = self.intercept
        for name, center, scale, weight in zip(self.names, self.center, self.scale, self.weights, strict=True):
            if name in signals:
                total += weight * (_log_odds(signals[name]) - center) / scale
        return 1.0 / (1.0 + math.exp(-total))

    def probabilities(self, signal_N: Any) -> Any:
        """What `probability` gives for N values of the only signal, as an array; ValueError where it knows several."""
        import numpy as np

        (center,), (scale,), (weight,) = self.center, self.scale, self.weights
        clipped_N = np.clip(signal_N, _CLIP, 1.0 - _CLIP)
        odds_N = np.log(clipped_N / (1.0 - clipped_N))
        return 1.0 / (1.0 + np.exp(-(self.intercept + weight * (odds_N - center) / scale)))


def _log_odds(value: float | None) -> float:
    if value is None:
        return math.nan
    clipped = min(max(value, _CLIP), 1.0 - _CLIP)
    return math.log(clipped / (1.0 - clipped))


def _logistic_regression(features_NS: Any, right_N: Any, prior_S: Any) -> tuple[list[float], float]:
    """Maximum a posteriori weights and intercept by Newton's method; the intercept has no prior but Laplace's."""
    import numpy as np

    signals = features_NS.shape[1]
    design_MP = np.hstack([np.vstack([features_NS, np.zeros((2, signals))]), np.ones((len(features_NS) + 2, 1))])
    target_M = np.concatenate([right_N.astype(float), [1.0, 0.0]])
    prior_P = np.append(prior_S, 0.0)
    precision_P = np.append(np.full(signals, _PRIOR_PRECISION), 0.0)
    parameters_P = prior_P.copy()
    for _ in range(_NEWTON_STEPS):
        probability_M = 1.0 / (1.0 + np.exp(-design_MP @ parameters_P))
        gradient_P = design_MP.T @ (probability_M - target_M) + precision_P * (parameters_P - prior_P)
        curvature_M = np.maximum(probability_M * (1.0 - probability_M), 1e-9)
        hessian_PP = design_MP.T @ (design_MP * curvature_M[:, None]) + np.diag(precision_P)
        step_P = np.linalg.solve(hessian_PP, gradient_P)
        parameters_P -= np.clip(step_P, -_LARGEST_STEP, _LARGEST_STEP)
    return parameters_P[:-1].tolist(), float(parameters_P[-1])

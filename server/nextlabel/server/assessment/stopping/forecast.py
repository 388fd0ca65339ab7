"""What more labels would bring: a power law through the learning curve (Cortes et al. 1994), with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.intervals import Estimate

Floats = npt.NDArray[np.float64]

FEWEST_POINTS = 5
_EXPONENTS = np.concatenate([np.linspace(0.05, 1.0, 20), np.linspace(1.1, 3.0, 20)])
_LEAST_NOISE = 0.002
_DRAWS = 4_000
_DEPENDENCE = 1.2
"""Successive models err on the same items: their readings scatter less than they are off, by this measured factor."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The accuracy that ``labels`` in all would give, and what that is more than now, each with its 95 % interval."""

    labels: int
    accuracy: Estimate
    gain: Estimate


def forecast(labels_P: npt.ArrayLike, accuracy_P: npt.ArrayLike, holdout: int, labels: int) -> Forecast | None:
    """Extend a learning curve to ``labels`` labels; None with fewer than five points to go by, or into the past.

    The curves ``ceiling - b * n ** -c`` are weighed by how well they fit, whatever their ceiling; b is at least 0. What
    points scatter around them is part of the interval. ``holdout`` is the number of items that the points were
    measured on: that the holdout is easier or harder than the pool moves all points alike, and no gain.
    """
    n_P, measured_P = np.asarray(labels_P, np.float64), np.asarray(accuracy_P, np.float64)
    n_P, first = np.unique(n_P, return_index=True)
    measured_P = measured_P[first]
    if len(n_P) < FEWEST_POINTS or labels <= n_P[-1]:
        return None
    curves = [_fit(n_P, measured_P, c) for c in _EXPONENTS]
    noise = _DEPENDENCE * max(_LEAST_NOISE, min(curve.scatter for curve in curves))
    misfit_E = np.array([curve.squares for curve in curves]) / (2 * noise**2)
    weight_E = np.exp(misfit_E.min() - misfit_E)
    rng = np.random.default_rng(len(n_P))
    chosen_D = rng.choice(len(curves), _DRAWS, p=weight_E / weight_E.sum())
    steep_D = np.array([curve.steepness for curve in curves])[chosen_D]
    error_D = np.array([curve.error for curve in curves])[chosen_D] * noise
    steep_D = np.maximum(0.0, steep_D + error_D * rng.standard_normal(_DRAWS))
    power_D = _EXPONENTS[chosen_D]
    gain_D = steep_D * (n_P[-1] ** -power_D - float(labels) ** -power_D)
    gain_D = gain_D + noise * rng.standard_normal(_DRAWS)
    now = sum(w * curve.at(n_P[-1]) for w, curve in zip(weight_E / weight_E.sum(), curves, strict=True))
    return Forecast(labels, _accuracy(now, gain_D, holdout, rng), _estimate(gain_D, holdout, -1.0))


@dataclass(frozen=True, slots=True)
class _Curve:
    """``ceiling - steepness * n ** -exponent``, with the standard error of its steepness for a scatter of 1."""

    exponent: float
    ceiling: float
    steepness: float
    error: float
    squares: float
    scatter: float

    def at(self, n: float) -> float:
        return float(self.ceiling - self.steepness * n**-self.exponent)


def _fit(n_P: Floats, measured_P: Floats, exponent: float) -> _Curve:
    fall_P = n_P**-exponent
    centred_P = fall_P - fall_P.mean()
    spread = float(centred_P @ centred_P)
    steepness = max(0.0, -float(centred_P @ measured_P) / spread)
    ceiling = float(measured_P.mean() + steepness * fall_P.mean())
    squares = float(((measured_P - ceiling + steepness * fall_P) ** 2).sum())
    scatter = float(np.sqrt(squares / (len(n_P) - 3)))
    return _Curve(exponent, ceiling, steepness, 1 / float(np.sqrt(spread)), squares, scatter)


def _accuracy(now: float, gain_D: Floats, holdout: int, rng: np.random.Generator) -> Estimate:
    spread = float(np.sqrt(max(now * (1 - now), 1 / (holdout + 2)) / holdout))
    found = _estimate(np.clip(now + gain_D + spread * rng.standard_normal(len(gain_D)), 0.0, 1.0), holdout, 0.0)
    return Estimate(min(1.0, now + float(gain_D.mean())), found.low, found.high, holdout)


def _estimate(values_D: Floats, items: int, least: float) -> Estimate:
    low, high = np.quantile(values_D, [0.025, 0.975])
    return Estimate(float(values_D.mean()), max(least, float(low)), min(1.0, float(high)), items)

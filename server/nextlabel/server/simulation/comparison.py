"""Strategies compared with random, paired by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.simulation.bootstrap import Interval, bounds, interval, mean_interval, resample_weights
from nextlabel.server.simulation.curves import Curves, labels_saved, labels_to_reach, normalised_aulc
from nextlabel.server.simulation.influence import moved_by_other_tests
from nextlabel.server.simulation.settings import BASELINE
from nextlabel.server.simulation.sign_flips import sign_flip_p

Float64 = NDArray[np.float64]

SHARE_OF_FULL_DATA = 0.95

MIN_SEEDS = 10
"""Below this no verdict: intervals over few seeds miss too often, and rankings flip."""

LEVEL = 0.05
"""Share of false verdicts allowed where a strategy is as good as random."""


class Standing(StrEnum):
    """How a strategy stands against random by the area under the accuracy curve."""

    BASELINE = "baseline"
    BETTER = "better than random"
    NOT_BETTER = "not better than random"
    WORSE = "worse than random"
    UNKNOWN = "unknown: too few seeds"


@dataclass(frozen=True, slots=True)
class MeanPoint:
    """Means over seeds after so many labels; ``accuracy_vs_random`` is the paired difference."""

    labels: int
    accuracy: Interval
    macro_f1: Interval
    accuracy_vs_random: Interval


@dataclass(frozen=True, slots=True)
class Summary:
    """What a strategy bought.

    Attributes:
        aulc_accuracy: normalised area under the accuracy curve, in [0, 1].
        aulc_macro_f1: the same for macro-F1.
        aulc_accuracy_vs_random: paired difference to random.
        sign_flip_p: how probable a difference as far from 0 is where the strategy is as good as random.
        labels_to_95pct: labels until the mean curve reaches 95 % of the full-data accuracy; None if it never does.
        labels_to_95pct_interval: 95 % interval of that, None for an end beyond the budget or with one seed.
        labels_saved_vs_random: how many labels fewer than random it took to the best accuracy both reach.
    """

    strategy: str
    seeds: int
    aulc_accuracy: Interval
    aulc_macro_f1: Interval
    aulc_accuracy_vs_random: Interval
    sign_flip_p: float
    labels_to_95pct: float | None
    labels_to_95pct_interval: tuple[float | None, float | None]
    labels_saved_vs_random: Interval
    verdict: Standing
    learning_curve: tuple[MeanPoint, ...]


def compare(curves: Mapping[str, Curves], full_data_accuracy: float) -> tuple[Summary, ...]:
    """Summarise strategies; the baseline is among them, and all have the same seeds and numbers of labels."""
    return tuple(_summary(name, own, curves[BASELINE], full_data_accuracy) for name, own in curves.items())


def _summary(name: str, own: Curves, random: Curves, full_data_accuracy: float) -> Summary:
    seeds = len(own.accuracy_SP)
    labels_P = own.labels_P
    resampled = _Resampled.of(own, random)
    target = full_data_accuracy * SHARE_OF_FULL_DATA

    def labels_to_target(curves_BP: Float64) -> Float64:
        return labels_to_reach(labels_P, curves_BP, np.full(len(curves_BP), target))

    differences_S = normalised_aulc(labels_P, own.accuracy_SP) - normalised_aulc(labels_P, random.accuracy_SP)
    difference = mean_interval(differences_S, normalised_aulc(labels_P, resampled.own_BP - resampled.random_BP))
    own_mean, random_mean = own.accuracy_SP.mean(axis=0, keepdims=True), random.accuracy_SP.mean(axis=0, keepdims=True)
    own_BP = resampled.weights_BS @ own.accuracy_SP + resampled.own_BP
    random_BP = resampled.weights_BS @ random.accuracy_SP + resampled.random_BP
    p = sign_flip_p(differences_S)
    return Summary(
        strategy=name,
        seeds=seeds,
        aulc_accuracy=mean_interval(
            normalised_aulc(labels_P, own.accuracy_SP), normalised_aulc(labels_P, resampled.own_BP)
        ),
        aulc_macro_f1=mean_interval(
            normalised_aulc(labels_P, own.macro_f1_SP), normalised_aulc(labels_P, resampled.macro_f1_BP)
        ),
        aulc_accuracy_vs_random=difference,
        sign_flip_p=p,
        labels_to_95pct=_finite(float(labels_to_target(own_mean)[0])),
        labels_to_95pct_interval=_finite_bounds(labels_to_target(own_BP), seeds),
        labels_saved_vs_random=interval(
            float(labels_saved(labels_P, own_mean, random_mean)[0]), labels_saved(labels_P, own_BP, random_BP), seeds
        ),
        verdict=Standing.BASELINE if name == BASELINE else verdict(difference, p, seeds),
        learning_curve=_learning_curve(own, random, resampled),
    )


@dataclass(frozen=True, slots=True)
class _Resampled:
    """How seeds are weighed in each resample, and what other test items would move the mean curves by."""

    weights_BS: Float64
    own_BP: Float64
    random_BP: Float64
    macro_f1_BP: Float64

    @classmethod
    def of(cls, own: Curves, random: Curves) -> _Resampled:
        moved = moved_by_other_tests(np.hstack([own.accuracy_MP, random.accuracy_MP]))
        points = len(own.labels_P)
        weights_BS = resample_weights(len(own.accuracy_SP))
        return cls(weights_BS, moved[:, :points], moved[:, points:], moved_by_other_tests(own.macro_f1_MP))


def _learning_curve(own: Curves, random: Curves, resampled: _Resampled) -> tuple[MeanPoint, ...]:
    differences_SP, moved_BP = own.accuracy_SP - random.accuracy_SP, resampled.own_BP - resampled.random_BP
    return tuple(
        MeanPoint(
            int(labels),
            mean_interval(own.accuracy_SP[:, at], resampled.own_BP[:, at]),
            mean_interval(own.macro_f1_SP[:, at], resampled.macro_f1_BP[:, at]),
            mean_interval(differences_SP[:, at], moved_BP[:, at]),
        )
        for at, labels in enumerate(own.labels_P)
    )


def verdict(difference: Interval, p: float, seeds: int) -> Standing:
    """Say what a paired difference over so many seeds shows.

    The interval, which knows the test items, and the test of signs, whose level is exact, must agree.
    """
    if seeds < MIN_SEEDS or difference.low is None or difference.high is None:
        return Standing.UNKNOWN
    if p <= LEVEL and difference.low > 0:
        return Standing.BETTER
    return Standing.WORSE if p <= LEVEL and difference.high < 0 else Standing.NOT_BETTER


def _finite_bounds(labels_B: Float64, seeds: int) -> tuple[float | None, float | None]:
    low, high = bounds(labels_B, seeds)
    return _finite(low), _finite(high)


def _finite(labels: float | None) -> float | None:
    return None if labels is None or np.isinf(labels) else labels

"""Strategies compared with random, paired by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.simulation.bootstrap import Interval, bounds, interval, mean_interval, resample_weights
from nextlabel.server.simulation.curves import Curves, labels_saved, labels_to_reach, normalised_aulc
from nextlabel.server.simulation.settings import BASELINE

Float64 = NDArray[np.float64]

SHARE_OF_FULL_DATA = 0.95

MIN_SEEDS = 5
"""Below this no verdict: seeds that agree by chance are too likely (one time in 8 for 4, in both directions)."""


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
        labels_to_95pct: labels until the mean curve reaches 95 % of the full-data accuracy; None if it never does.
        labels_to_95pct_interval: 95 % interval of that, None for an end beyond the budget or with one seed.
        labels_saved_vs_random: how many labels fewer than random it took to the best accuracy both reach.
    """

    strategy: str
    seeds: int
    aulc_accuracy: Interval
    aulc_macro_f1: Interval
    aulc_accuracy_vs_random: Interval
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
    weights_BS = resample_weights(seeds)
    target = full_data_accuracy * SHARE_OF_FULL_DATA

    def labels_to_target(curves_BP: Float64) -> Float64:
        return labels_to_reach(own.labels_P, curves_BP, np.full(len(curves_BP), target))

    def saved(weights: Float64) -> Float64:
        return labels_saved(own.labels_P, weights @ own.accuracy_SP, weights @ random.accuracy_SP)

    aulc_S = normalised_aulc(own.labels_P, own.accuracy_SP)
    difference = mean_interval(aulc_S - normalised_aulc(random.labels_P, random.accuracy_SP))
    equal_weights = np.full((1, seeds), 1 / seeds)
    return Summary(
        strategy=name,
        seeds=seeds,
        aulc_accuracy=mean_interval(aulc_S),
        aulc_macro_f1=mean_interval(normalised_aulc(own.labels_P, own.macro_f1_SP)),
        aulc_accuracy_vs_random=difference,
        labels_to_95pct=_finite(float(labels_to_target(equal_weights @ own.accuracy_SP)[0])),
        labels_to_95pct_interval=_finite_bounds(labels_to_target(weights_BS @ own.accuracy_SP), seeds),
        labels_saved_vs_random=interval(float(saved(equal_weights)[0]), saved(weights_BS), seeds),
        verdict=Standing.BASELINE if name == BASELINE else verdict(difference, seeds),
        learning_curve=_learning_curve(own, random),
    )


def _learning_curve(own: Curves, random: Curves) -> tuple[MeanPoint, ...]:
    columns = zip(
        own.labels_P, own.accuracy_SP.T, own.macro_f1_SP.T, (own.accuracy_SP - random.accuracy_SP).T, strict=True
    )
    return tuple(
        MeanPoint(int(labels), mean_interval(accuracy), mean_interval(macro_f1), mean_interval(difference))
        for labels, accuracy, macro_f1, difference in columns
    )


def verdict(difference: Interval, seeds: int) -> Standing:
    """Say what a paired difference over so many seeds shows."""
    if seeds < MIN_SEEDS or difference.low is None or difference.high is None:
        return Standing.UNKNOWN
    if difference.low > 0:
        return Standing.BETTER
    return Standing.WORSE if difference.high < 0 else Standing.NOT_BETTER


def _finite_bounds(labels_B: Float64, seeds: int) -> tuple[float | None, float | None]:
    low, high = bounds(labels_B, seeds)
    return _finite(low), _finite(high)


def _finite(labels: float | None) -> float | None:
    return None if labels is None or np.isinf(labels) else labels

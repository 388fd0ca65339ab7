"""What the demo found: mean curves over seeds, in a table and as points of a plot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from nextlabel.server.assessment.intervals import wilson_interval
from nextlabel.server.demo.arms import ArmResult
from nextlabel.server.plots.learning_curves import CurvePoint


@dataclass(frozen=True, slots=True)
class DemoPoint:
    """Accuracy at a number of labels: mean over seeds and its standard error (0 with one seed)."""

    labels: int
    accuracy: float
    standard_error: float


def mean_curves(results: Sequence[ArmResult]) -> Mapping[str, Sequence[DemoPoint]]:
    """Return the mean curve of the arms of every name, over the seeds that reached each number of labels."""
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        for point in result.curve:
            values[result.arm.name][point.labels].append(point.accuracy)
    return {
        name: [
            DemoPoint(labels, mean(found), stdev(found) / sqrt(len(found)) if len(found) > 1 else 0.0)
            for labels, found in sorted(by_labels.items())
        ]
        for name, by_labels in values.items()
    }


def plot_points(curves: Mapping[str, Sequence[DemoPoint]]) -> list[CurvePoint]:
    """Return the points of a plot, with a band of one standard error around each curve."""
    return [
        CurvePoint(strategy, p.labels, p.accuracy, p.accuracy - p.standard_error, p.accuracy + p.standard_error)
        for strategy, curve in curves.items()
        for p in curve
    ]


def labels_to_reach(curve: Sequence[DemoPoint], accuracy: float) -> int | None:
    """Return the fewest labels at which the mean curve has reached an accuracy."""
    return next((p.labels for p in curve if p.accuracy >= accuracy), None)


def verdict(curves: Mapping[str, Sequence[DemoPoint]], strategy: str, baseline: str) -> str:
    """Say in a sentence what the strategy bought over the baseline, whichever way it went."""
    shared = {p.labels for p in curves[baseline]} & {p.labels for p in curves[strategy]}
    own = mean(p.accuracy for p in curves[strategy] if p.labels in shared)
    other = mean(p.accuracy for p in curves[baseline] if p.labels in shared)
    difference = f"{strategy} is {abs(own - other) * 100:.1f} points of accuracy {'above' if own > other else 'below'} "
    difference += f"{baseline}, averaged over the curve"
    end = curves[baseline][-1]
    needed = labels_to_reach(curves[strategy], end.accuracy)
    if needed is None or needed >= end.labels:
        return f"{difference}."
    return f"{difference}; it needs {needed} labels for what takes {baseline} {end.labels}."


def teacher_verdict(results: Sequence[ArmResult], classes: int) -> str:
    """Say how many of the annotator's labels are right, and what its student reached beside one taught the truth."""
    taught = [result for result in results if not result.arm.from_truth]
    right, labels = sum(result.right for result in taught), sum(result.labels for result in taught)
    sure = wilson_interval(right, labels)
    said = (
        f"The annotator labeled {labels} items, {sure.value:.0%} of them right (95 % interval {sure.low:.0%} to "
        f"{sure.high:.0%}; guessing: {1 / classes:.0%})."
    )
    others = [result for result in results if result.arm.from_truth]
    own_end, true_end = (mean(result.curve[-1].accuracy for result in group) for group in (taught, others))
    return f"{said} Its students end at an accuracy of {own_end:.3f}, those taught the true labels at {true_end:.3f}."

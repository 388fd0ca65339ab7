"""Curves of the labels of each source as they are drawn."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.domain.reports.estimates.source_curves import LabelSources, SourceCurve, SourcePoint
from nextlabel.server.plots.learning_curves import Axis, CurvePoint, Measure
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.annotations import AnnotatorKind

_NAMES = {
    AnnotatorKind.HUMAN: "people",
    AnnotatorKind.REPLAY: "replay",
    AnnotatorKind.LLM: "LLMs",
    AnnotatorKind.LEARNER: "learner",
}


def source_points(found: LabelSources, axis: Axis, measure: Measure, runs: Sequence[str]) -> Sequence[CurvePoint]:
    """Return the points of all sources; over money those alone that cost something.

    Raises:
        InvalidArgument: the axis is neither labels nor money, the measure is not accuracy, or there are runs.
    """
    if axis not in (Axis.LABELS, Axis.USD):
        raise InvalidArgument.field("axis", "curves of sources are drawn over LABELS or USD")
    if measure is not Measure.ACCURACY:
        raise InvalidArgument.field("measure", "curves of sources show ACCURACY")
    if runs:
        raise InvalidArgument.field("runs", "curves of sources are of all runs; leave it empty")
    return [
        CurvePoint(_name(curve), _x(point, axis), point.accuracy.value, point.accuracy.low, point.accuracy.high)
        for curve in found.curves
        for point in curve.points
        if axis is Axis.LABELS or curve.points[-1].micro_usd
    ]


def _name(curve: SourceCurve) -> str:
    return "all together" if curve.source is None else _NAMES[curve.source]


def _x(point: SourcePoint, axis: Axis) -> float:
    return point.labels if axis is Axis.LABELS else point.micro_usd / 1e6

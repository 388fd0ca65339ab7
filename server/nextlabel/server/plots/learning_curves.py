"""Learning curves as Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from nextlabel.server.plots.palettes import LIGHT, Palette
from nextlabel.server.plots.rendering import SCHEMA

T = TypeVar("T")


class Axis(StrEnum):
    """What a learning curve is drawn over."""

    LABELS = "labels"
    TOKENS = "tokens"
    USD = "usd"
    SECONDS = "seconds"


class Measure(StrEnum):
    """What a learning curve shows."""

    ACCURACY = "accuracy"
    MACRO_F1 = "macro_f1"


_TITLES = {
    "labels": "labels",
    "tokens": "tokens",
    "usd": "US dollars",
    "seconds": "seconds",
    "accuracy": "accuracy on the holdout",
    "macro_f1": "macro-F1 on the holdout",
}


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One point of a named curve; ``low`` and ``high`` bound a band where there are several runs."""

    series: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None


def thinned(curve: Sequence[T], most: int) -> Sequence[T]:
    """Return at most `most` points of a curve, at even distances, its first and its last ones among them."""
    if len(curve) <= most:
        return curve
    step = (len(curve) - 1) / (most - 1)
    return [curve[round(i * step)] for i in range(most)]


def learning_curve_spec(
    points: Sequence[CurvePoint], axis: Axis, measure: Measure, title: str = "", palette: Palette = LIGHT
) -> dict[str, Any]:
    """Return the Vega-Lite specification of learning curves, one line a series, with a band where it is known."""
    values = [{"series": p.series, "x": p.x, "y": p.y, "low": p.low, "high": p.high} for p in points]
    x = {"field": "x", "type": "quantitative", "title": _TITLES[axis.value]}
    y_title = _TITLES[measure.value]
    color = {
        "field": "series",
        "type": "nominal",
        "title": None,
        "legend": {"orient": "bottom-right", "symbolOpacity": 1},
    }
    band = {
        "mark": {"type": "area", "opacity": 0.18},
        "transform": [{"filter": "isValid(datum.low)"}],
        "encoding": {
            "x": x,
            "y": {"field": "low", "type": "quantitative", "title": y_title},
            "y2": {"field": "high"},
            "color": color,
        },
    }
    line = {
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": x,
            "y": {"field": "y", "type": "quantitative", "title": y_title, "scale": {"zero": False}},
            "color": color,
        },
    }
    return {
        "$schema": SCHEMA,
        "title": title,
        "width": 560,
        "height": 340,
        "background": palette.paper,
        "data": {"values": values},
        "layer": [band, line],
        "config": {"font": "sans-serif", **palette.config},
    }

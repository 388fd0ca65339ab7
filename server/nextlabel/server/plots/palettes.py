"""Colours of pictures, dark on light and light on dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Tableau 10 with indigo in the place of its grey, which stands for all others.
_NINE = ("#4c78a8", "#f58518", "#e45756", "#72b7b2", "#54a24b", "#eeca3b", "#b279a2", "#ff9da6", "#9d755d")


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of paper, rings around points and the frame.

    Points in ``grey`` and ``pale`` stay behind those of ``classes``. ``shades`` is the part of the scale of numbers,
    within [0, 1], that the paper lets see. ``config`` is what Vega-Lite's own colours are replaced by.
    """

    paper: str
    ring: str
    frame: str
    grey: str
    pale: str
    classes: Sequence[str]
    shades: tuple[float, float]
    config: Mapping[str, Any]


LIGHT = Palette(
    paper="white",
    ring="#1b1f24",
    frame="#d5dae1",
    grey="#b0b0b0",
    pale="#e0e0e0",
    classes=(*_NINE, "#2d3a8c"),
    shades=(0.0, 1.0),
    config={},
)

_INK, _SOFT, _LINE = "#e8eaee", "#a9b1bd", "#3a424d"

DARK = Palette(
    paper="#14171b",
    ring=_INK,
    frame=_LINE,
    grey="#7a828d",
    pale="#434b55",
    classes=("#6f9fd1", *_NINE[1:], "#9aa5ff"),
    shades=(0.25, 1.0),
    config={
        "axis": {"labelColor": _SOFT, "titleColor": _INK, "gridColor": _LINE, "domainColor": _SOFT, "tickColor": _SOFT},
        "legend": {"labelColor": _INK, "titleColor": _INK},
        "title": {"color": _INK},
        "view": {"stroke": _LINE},
        "range": {"category": ["#6f9fd1", *_NINE[1:], "#9aa5ff"]},
    },
)

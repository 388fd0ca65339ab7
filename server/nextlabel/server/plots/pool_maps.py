"""Maps of pools as Vega-Lite specifications."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nextlabel.server.plots.palettes import LIGHT, Palette
from nextlabel.server.plots.rendering import SCHEMA


class MapColor(StrEnum):
    """What the points of a map are coloured by."""

    LABEL = "label"
    CONFIDENCE = "confidence"
    PICK = "pick"


@dataclass(frozen=True, slots=True)
class DrawnPoint:
    """An item on a map.

    ``label`` is in words, '' without one; ``score`` is the same where it is a number; ``confidence`` in [0, 1] or None.
    """

    item_id: str
    x: float
    y: float
    label: str
    labeled: bool
    confidence: float | None
    picked: bool
    score: float | None = None


SIDE = 560
"""Pixels of the square that holds the points."""

_MARGIN = 8

_CHARACTERS = 40
_PICKED, _LABELED, _REST = "picked last", "labeled", "others"


PADDING = 5
"""Pixels around the square, the legend aside: the picture has no title, so that a place in it can be reckoned."""


def pool_map_spec(points: Sequence[DrawnPoint], color: MapColor, palette: Palette = LIGHT) -> dict[str, Any]:
    """Return the Vega-Lite specification of a map: labeled and picked items large and ringed, others small.

    By label, the most frequent 10 have a colour each; scores have shades of one scale. Places are in pixels, from the
    upper left.
    """
    groups, encoding = _GROUPS[color](points, palette)
    values = [
        {"item": p.item_id, "x": pixel(p.x), "y": pixel(-p.y), "stands_out": p.labeled or p.picked, "group": group}
        for p, group in zip(points, groups, strict=True)
    ]
    # What is drawn last lies on top: labeled and picked items.
    values.sort(key=lambda value: (value["group"] == _PICKED, value["stands_out"]))
    return {
        "$schema": SCHEMA,
        "padding": PADDING,
        "width": SIDE,
        "height": SIDE,
        "background": palette.paper,
        "data": {"values": values},
        "mark": {"type": "circle", "aria": False, "opacity": 0.8, "stroke": palette.ring, "invalid": None},
        "encoding": {
            "x": _axis("x"),
            "y": _axis("y"),
            "size": _standing_out(60, 18),
            "strokeWidth": _standing_out(1.2, 0),
            "color": encoding,
        },
        "config": {"font": "sans-serif", **palette.config, "view": {"stroke": palette.frame}},
    }


def pixel(place: float) -> float:
    """Return where a place in [-1, 1] is in the square, from its left or upper edge."""
    return round(SIDE / 2 + place * (SIDE / 2 - _MARGIN), 1)


def _axis(field: str) -> dict[str, Any]:
    # Who is whose neighbour means something, the axes nothing.
    scale = {"domain": [0, SIDE], "range": [0, SIDE]}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": None}


def _standing_out(much: float, other: float) -> dict[str, Any]:
    return {"condition": {"test": "datum.stands_out", "value": much}, "value": other}


def _by_label(points: Sequence[DrawnPoint], palette: Palette) -> tuple[list[Any], Mapping[str, Any]]:
    if any(p.score is not None for p in points):
        return [p.score for p in points], _shaded("score or prediction", {"zero": False}, palette)
    counts = Counter(p.label for p in points if p.label)
    # The most frequent ones, those before others of the same count that come first in the alphabet.
    most = sorted(sorted(counts), key=lambda label: -counts[label])[: len(palette.classes)]
    names = {label: _name(label, place, most) for place, label in enumerate(most)}
    others = len(counts) - len(names)
    rest = dict.fromkeys(counts.keys() - names.keys(), f"{others} other label{'s' if others > 1 else ''}")
    rest[""] = "no label"
    groups = [names.get(p.label) or rest[p.label] for p in points]
    domain = list(names.values()) + sorted(set(groups) - set(names.values()))
    colors = [*palette.classes[: len(names)], *[palette.grey, palette.pale][: len(domain) - len(names)]]
    return groups, _nominal("label or prediction", domain, colors)


def _name(label: str, place: int, most: Sequence[str]) -> str:
    """Return a label as the legend has room for it, told apart from those that begin alike."""
    short = label if len(label) <= _CHARACTERS else f"{label[: _CHARACTERS - 1]}…"
    alike = [other for other in most if other != label and other[: _CHARACTERS - 1] == label[: _CHARACTERS - 1]]
    return f"{short} ({place + 1})" if alike else short


def _by_confidence(points: Sequence[DrawnPoint], palette: Palette) -> tuple[list[Any], Mapping[str, Any]]:
    return [p.confidence for p in points], _shaded("confidence", {"domain": [0, 1]}, palette)


def _by_pick(points: Sequence[DrawnPoint], palette: Palette) -> tuple[list[Any], Mapping[str, Any]]:
    groups = [_PICKED if p.picked else _LABELED if p.labeled else _REST for p in points]
    return groups, _nominal("", [_PICKED, _LABELED, _REST], [palette.classes[2], palette.classes[0], palette.grey])


def _shaded(title: str, scale: Mapping[str, Any], palette: Palette) -> Mapping[str, Any]:
    return {
        "condition": {"test": "!isValid(datum.group)", "value": palette.pale},
        "field": "group",
        "type": "quantitative",
        "title": title,
        "scale": {"scheme": {"name": "viridis", "extent": list(palette.shades)}, **scale},
    }


def _nominal(title: str, domain: Sequence[str], colors: Sequence[str]) -> Mapping[str, Any]:
    legend = {"labelLimit": 260, "symbolOpacity": 1, "symbolStrokeWidth": 0}
    return {
        "field": "group",
        "type": "nominal",
        "title": title or None,
        "scale": {"domain": list(domain), "range": list(colors)},
        "legend": legend,
    }


_GROUPS = {MapColor.LABEL: _by_label, MapColor.CONFIDENCE: _by_confidence, MapColor.PICK: _by_pick}

"""Pictures on dark paper say the same, in colours that the paper lets see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from nextlabel.server.plots.learning_curves import Axis, CurvePoint, Measure, learning_curve_spec
from nextlabel.server.plots.palettes import DARK, LIGHT, Palette
from nextlabel.server.plots.pool_maps import DrawnPoint, MapColor, pool_map_spec
from nextlabel.server.plots.rendering import PlotFormat, render

CURVES = [CurvePoint(series, x, 0.1 * x, 0.05 * x, 0.15 * x) for series in ("a", "b") for x in (1.0, 2.0)]
POINTS = [
    DrawnPoint(
        "id", n / 20 - 1, 0.0, f"class {n % 13}" if n < 36 else "", n % 2 == 0, None if n % 5 else n / 40, n == 9
    )
    for n in range(40)
]


def spec(name: str, palette: Palette) -> Mapping[str, Any]:
    if name == "curve":
        return learning_curve_spec(CURVES, Axis.LABELS, Measure.ACCURACY, "title", palette)
    return pool_map_spec(POINTS, MapColor(name), palette)


PICTURES = ["curve", *(color.value for color in MapColor)]


def luminance(color: str) -> float:
    """Relative luminance (WCAG 2.2) of `#rrggbb` or `#rgb`."""
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", PICTURES)
def test_on_dark_paper_every_text_is_legible_and_every_mark_is_seen(name: str) -> None:
    drawn = render(spec(name, DARK), PlotFormat.SVG)[0].decode()
    texts = re.findall(r"<text [^>]*fill=\"([^\"]+)\"", drawn)
    assert texts
    assert min(contrast(color, DARK.paper) for color in texts) >= 4.5
    assert not re.findall(r"(?:fill|stroke)=\"(?:white|black|#000|#fff|#000000|#ffffff)\"", drawn)
    marks = {color for color in DARK.classes if color in drawn}
    assert all(contrast(color, DARK.paper) >= 3 for color in marks)


@pytest.mark.parametrize("name", PICTURES)
def test_both_say_the_same(name: str) -> None:
    words = [
        re.findall(r"<text [^>]*>([^<]*)</text>", render(spec(name, palette), PlotFormat.SVG)[0].decode())
        for palette in (LIGHT, DARK)
    ]
    assert words[0] == words[1]
    assert len(words[0]) > 2


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_classes_are_told_apart_from_those_without_one(palette: Palette) -> None:
    assert len({*palette.classes, palette.grey, palette.pale, palette.paper}) == len(palette.classes) + 3

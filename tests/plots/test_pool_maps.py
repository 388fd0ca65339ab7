"""What a map of a pool is coloured by."""

from __future__ import annotations

import re
from dataclasses import replace

from nextlabel.server.plots.pool_maps import PADDING, SIDE, DrawnPoint, MapColor, pool_map_spec
from nextlabel.server.plots.rendering import PlotFormat, render


def point(
    label: str = "", *, labeled: bool = False, confidence: float | None = None, picked: bool = False
) -> DrawnPoint:
    return DrawnPoint("id", 1.0, -1.0, label, labeled, confidence, picked)


def legend(svg: bytes) -> list[str]:
    return re.findall(r"<text [^>]*>([^<]*)</text>", svg.decode())


def test_the_ten_most_frequent_labels_have_a_colour_each_and_names_that_differ() -> None:
    names = [f"{'a long name ' * 5}{n}" for n in range(12)]
    points = [point(name) for n, name in enumerate(names) for _ in range(20 - n)]
    svg, _ = render(pool_map_spec([*points, point()], MapColor.LABEL), PlotFormat.SVG)
    shown = [text for text in legend(svg) if text != "label or prediction"]
    assert len(set(shown[:10])) == 10
    assert shown[10:] == ["2 other labels", "no label"]
    assert all(len(name) < 50 for name in shown)


def test_every_point_is_drawn_whatever_is_known_of_it() -> None:
    points = [point(), point("a", confidence=0.5), point("a", labeled=True, picked=True), point("<b>&", labeled=True)]
    for color in MapColor:
        svg, _ = render(pool_map_spec(points, color), PlotFormat.SVG)
        drawn = svg.decode().partition('class="mark-symbol role-mark marks"')[2].partition("</g>")[0]
        assert drawn.count("<path") == 4, color
        assert "<b>" not in svg.decode()
    assert not legend(render(pool_map_spec([], MapColor.PICK), PlotFormat.SVG)[0])[3:]


def test_what_has_no_confidence_is_pale_and_not_the_colour_of_0() -> None:
    svg, _ = render(pool_map_spec([point(labeled=True), point(confidence=0.0)], MapColor.CONFIDENCE), PlotFormat.SVG)
    assert re.findall(r'<path [^>]*fill="([^"]*)" stroke="#1b1f24"', svg.decode()) == ["rgb(68, 1, 84)", "#e0e0e0"]


def test_the_square_begins_where_the_page_reckons_with() -> None:
    svg, _ = render(pool_map_spec([point("a")], MapColor.LABEL), PlotFormat.SVG)
    assert f"translate({PADDING},{PADDING})" in svg.decode()


def test_places_are_pixels_within_the_square() -> None:
    (value,) = pool_map_spec([point()], MapColor.LABEL)["data"]["values"]
    assert value["x"] == value["y"] < SIDE


def test_scores_are_shades_of_one_scale() -> None:
    points = [replace(point(f"{score:g}", labeled=True), score=score) for score in (1.0, 2.25, 4.75)]
    svg, _ = render(pool_map_spec([*points, point()], MapColor.LABEL), PlotFormat.SVG)
    shades = re.findall(r'fill="([^"]*)"', svg.decode().partition('class="mark-symbol role-mark marks"')[2])[:4]
    assert len(set(shades)) == 4
    assert "other" not in " ".join(legend(svg))

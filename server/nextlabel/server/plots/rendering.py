"""Vega-Lite specifications as bytes: JSON, SVG and PNG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


class PlotFormat(StrEnum):
    """How a plot is handed out."""

    VEGA_LITE = "vega_lite"
    SVG = "svg"
    PNG = "png"


_MEDIA_TYPES: Mapping[PlotFormat, str] = {
    PlotFormat.VEGA_LITE: "application/vnd.vegalite.v5+json",
    PlotFormat.SVG: "image/svg+xml",
    PlotFormat.PNG: "image/png",
}


_KEPT_PICTURES = 8


def render(spec: Mapping[str, Any], plot_format: PlotFormat) -> tuple[bytes, str]:
    """Return a specification as bytes of a format, with the media type. Works without a network and a browser.

    The last eight pictures are kept: several people look at the same ones.
    """
    written = json.dumps(spec)
    if plot_format is PlotFormat.VEGA_LITE:
        return written.encode(), _MEDIA_TYPES[plot_format]
    return _drawn(written, plot_format), _MEDIA_TYPES[plot_format]


@lru_cache(_KEPT_PICTURES)
def _drawn(spec: str, plot_format: PlotFormat) -> bytes:
    import vl_convert

    if plot_format is PlotFormat.SVG:
        return vl_convert.vegalite_to_svg(spec).encode()
    png: bytes = vl_convert.vegalite_to_png(spec, scale=2)
    return png

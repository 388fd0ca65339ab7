"""A simulation's result as files: every point as CSV and Parquet, the document, and plots."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nextlabel.server.plots.learning_curves import Axis, CurvePoint, Measure, learning_curve_spec
from nextlabel.server.plots.rendering import PlotFormat, render
from nextlabel.server.simulation.atomic import write_bytes_to
from nextlabel.server.simulation.comparison import Summary
from nextlabel.server.simulation.simulation import Result

PICTURES = (PlotFormat.SVG, PlotFormat.PNG)


def write_files(result: Result, document: Mapping[str, Any], folder: Path, title: str = "") -> None:
    """Write ``points.csv``, ``points.parquet``, ``summary.json`` and a plot of each measure as SVG and PNG."""
    points = list(_points(result))
    _write(folder / "points.csv", _as_csv(points).encode())
    _write_parquet(folder / "points.parquet", points)
    _write(folder / "summary.json", json.dumps(document, indent=2).encode())
    for measure in Measure:
        for picture in PICTURES:
            content = draw(result.summaries, measure, picture, title)
            _write(folder / f"{measure.value}.{picture.value}", content)


def draw(summaries: tuple[Summary, ...], measure: Measure, picture: PlotFormat, title: str = "") -> bytes:
    """Return the learning curves of all strategies with their confidence bands."""
    points = [
        _plotted(summary.strategy, point.labels, getattr(point, measure.value))
        for summary in summaries
        for point in summary.learning_curve
    ]
    content, _ = render(learning_curve_spec(points, Axis.LABELS, measure, title), picture)
    return content


def _plotted(strategy: str, labels: int, value: Any) -> CurvePoint:
    return CurvePoint(strategy, labels, value.mean, value.low, value.high)


def _points(result: Result) -> Iterator[dict[str, Any]]:
    for cell in result.cells:
        for point in cell.points:
            yield {
                "strategy": cell.strategy,
                "seed": cell.seed,
                "labels": point.labels,
                "accuracy": point.accuracy,
                "macro_f1": point.macro_f1,
            }


def _as_csv(points: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, points[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(points)
    return text.getvalue()


def _write_parquet(path: Path, points: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    with write_bytes_to(path) as file:
        parquet.write_table(pa.Table.from_pylist(points), file)


def _write(path: Path, content: bytes) -> None:
    with write_bytes_to(path) as file:
        file.write(content)

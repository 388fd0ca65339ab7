"""Handles as tables, which notebooks show."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from nextlabel.client.errors import NextlabelError
from nextlabel.client.messages.amounts import percent, share_within, usd
from nextlabel.client.messages.curve_points import measured
from nextlabel.client.messages.plain import plain
from nextlabel.v1 import project_service_pb2 as projects_pb
from nextlabel.v1 import report_service_pb2 as reports_pb
from nextlabel.v1 import run_service_pb2 as runs_pb

SHOWN_POINTS = 20
"""How many points of a curve stand in its table: the newest."""


def project_html(name: str, get: Callable[[], projects_pb.Project]) -> str | None:
    """A project as a table; None when `get` fails, so that its plain form is shown."""
    try:
        found = plain(get())
    except NextlabelError:
        return None
    counts = found["counts"] or {}
    return table_html(
        f"project {name}",
        {
            "asks for": found["annotation_type"].replace("_", " "),
            "classes": ", ".join(one["name"] for one in (found["label_space"] or {}).get("classes", [])),
            **{name: f"{counts[name]:,}" for name in ("pool", "labeled", "holdout", "gold") if counts.get(name)},
            "model version": found["model_version"] or "none yet",
        },
    )


def run_html(title: str, get: Callable[[], runs_pb.Run]) -> str | None:
    """A run as a table; None when `get` fails, so that its plain form is shown."""
    try:
        found = plain(get())
    except NextlabelError:
        return None
    spent, latest = found["spent"] or {}, found["latest"] or {}
    return table_html(
        title,
        {
            "state": f"{found['state']} {found['stop_reason']}".strip(),
            "why": found["detail"],
            "rounds": f"{found['rounds']:,}",
            "labels": f"{spent.get('labels', 0):,}",
            "cost": usd(spent.get("micro_usd", 0)),
            "accuracy on the holdout": percent(latest["accuracy"]) if latest else "not measured yet",
        },
    )


def curve_html(title: str, get: Callable[[], reports_pb.LearningCurve], draw: Callable[[], bytes]) -> str | None:
    """A learning curve as a picture, where `draw` makes one (SVG), and a table of its newest points.

    None when `get` fails, so that its plain form is shown.
    """
    try:
        points = [measured(point) for point in plain(get())["points"]]
    except NextlabelError:
        return None
    if not points:
        return f"<p>{escape(title)}: no model was trained yet</p>"
    head = "".join(f"<th>{name}</th>" for name in ("labels", "cost", "accuracy on the holdout"))
    rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(p))}</tr>" for p in points[-SHOWN_POINTS:])
    said = title if len(points) <= SHOWN_POINTS else f"{title}, the last {SHOWN_POINTS} of {len(points):,} points"
    return f"{_picture(title, draw)}<table><caption>{escape(said)}</caption><tr>{head}</tr>{rows}</table>"


def _picture(title: str, draw: Callable[[], bytes]) -> str:
    # Within an image no script of an SVG runs.
    try:
        drawn = b64encode(draw()).decode()
    except NextlabelError:
        return ""
    return f'<img alt="{escape(title)}" src="data:image/svg+xml;base64,{drawn}">'


def _cells(point: Mapping[str, Any]) -> tuple[str, str, str]:
    within, accuracy = point["accuracy_interval"], point["accuracy"]
    said = "not measured" if accuracy is None else percent(accuracy)
    if within and accuracy is not None:
        said = share_within({"value": accuracy, **within}) or said
    return f"{point['labels']:,}", usd(point["micro_usd"]), said


def table_html(title: str, fields: Mapping[str, Any]) -> str:
    """Names and values as a table with a title; everything is escaped."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in fields.items())
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"

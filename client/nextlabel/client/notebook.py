"""Handles as tables, which notebooks show."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from nextlabel.client.amounts import percent, usd
from nextlabel.client.errors import NextlabelError
from nextlabel.client.messages.plain import plain
from nextlabel.v1 import project_service_pb2 as projects_pb
from nextlabel.v1 import run_service_pb2 as runs_pb


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


def table_html(title: str, fields: Mapping[str, Any]) -> str:
    """Names and values as a table with a title; everything is escaped."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in fields.items())
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"

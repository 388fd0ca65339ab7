"""What calls return as a pandas DataFrame, and handles as tables in notebooks."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from nextlabel.client.errors import NextlabelError
from nextlabel.client.export.labeled_items import LabeledItem
from nextlabel.client.export.tables import flat
from nextlabel.client.messages.plain import plain

if TYPE_CHECKING:
    import pandas as pd

    from nextlabel.client.handles import ProjectHandle
    from nextlabel.client.services.runs import RunHandle
    from nextlabel.client.transport.modes import Blocking


def frame(elements: Iterable[Message | LabeledItem]) -> "pd.DataFrame":
    """The elements of a list call, a row each: `frame(news.labels())`, `frame(curve.points)`.

    What is nested in a message gets the names of where it stands, with points between. Raises ModuleNotFoundError
    without pandas.
    """
    import pandas as pd

    return pd.DataFrame([_row(element) for element in elements])


def _row(element: Message | LabeledItem) -> dict[str, Any]:
    return element.columns() if isinstance(element, LabeledItem) else dict(flat(plain(element)))


def project_html(project: "ProjectHandle[Blocking]") -> str | None:
    """A project as a table; None when the server does not tell, so that its plain form is shown."""
    try:
        found = plain(project.get())
    except NextlabelError:
        return None
    counts = found["counts"] or {}
    return _table(
        f"project {project.name}",
        {
            "asks for": found["annotation_type"].replace("_", " "),
            "classes": ", ".join(one["name"] for one in (found["label_space"] or {}).get("classes", [])),
            **{name: f"{counts[name]:,}" for name in ("pool", "labeled", "holdout", "gold") if counts.get(name)},
            "model version": found["model_version"] or "none yet",
        },
    )


def run_html(run: "RunHandle[Blocking]") -> str | None:
    """A run as a table; None when the server does not tell, so that its plain form is shown."""
    try:
        found = plain(run.get())
    except NextlabelError:
        return None
    spent, latest = found["spent"] or {}, found["latest"] or {}
    return _table(
        f"run {run.run_id} of project {run.project}",
        {
            "state": f"{found['state']} {found['stop_reason']}".strip(),
            "why": found["detail"],
            "rounds": f"{found['rounds']:,}",
            "labels": f"{spent.get('labels', 0):,}",
            "cost": f"${spent.get('micro_usd', 0) / 1e6:,.4f}",
            "accuracy on the holdout": f"{latest['accuracy']:.1%}" if latest else "not measured yet",
        },
    )


def _table(title: str, fields: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in fields.items())
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"

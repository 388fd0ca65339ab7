"""Points of a map as rows of a table."""

from typing import Any

from nextlabel.client.messages.answers import plain_answer
from nextlabel.v1.report_service_pb2 import MapPoint

COLUMNS = ("item_id", "text", "x", "y", "label", "labeled", "confidence", "picked", "pick_reason")
"""What a row holds."""


def map_row(point: MapPoint) -> dict[str, Any]:
    """A point as plain values: what is not known is None."""
    values = {name: getattr(point, name) for name in COLUMNS if name != "label"}
    values["label"] = plain_answer(point.answer)
    values["confidence"] = point.confidence if point.HasField("confidence") else None
    return {name: values[name] for name in COLUMNS}

"""Between messages and maps of pools."""

from __future__ import annotations

from nextlabel.server.api.messages.labeling.answers import answer_message
from nextlabel.server.api.messages.values import beginning, fitting
from nextlabel.server.domain.reports.pool_map.points import MapPoint, PoolMap
from nextlabel.server.plots.pool_maps import DrawnPoint
from nextlabel.server.values.labeling.answers import Body, Label, MultiLabel, Preference, Score, Text
from nextlabel.v1 import report_service_pb2 as pb

_TEXT_BYTES = 160
_DECIMALS = 4


def pool_map_message(project: str, found: PoolMap) -> pb.PoolMap:
    """Return the message of a map, with as many of its points as one reply holds."""
    return pb.PoolMap(
        project=project,
        points=fitting(map(_point, found.points)),
        items=found.items,
        labeled=found.labeled,
        awaiting_embedding=found.waiting,
        batch=found.batch,
        model_version=found.model_version,
    )


def drawn_point(point: MapPoint) -> DrawnPoint:
    """Return a point as it is drawn."""
    return DrawnPoint(
        item_id=point.item_id,
        x=point.x,
        y=point.y,
        label=_in_words(point.body),
        labeled=point.labeled,
        confidence=point.confidence,
        picked=point.pick is not None,
        score=point.body.value if isinstance(point.body, Score) else None,
    )


def _point(point: MapPoint) -> pb.MapPoint:
    return pb.MapPoint(
        item_id=point.item_id,
        text=beginning(point.text, _TEXT_BYTES),
        x=round(point.x, _DECIMALS),
        y=round(point.y, _DECIMALS),
        answer=answer_message(_cut(point.body)),
        labeled=point.labeled,
        confidence=point.confidence,
        picked=point.pick is not None,
        pick_reason="" if point.pick is None else point.pick.reason,
    )


def _cut(body: Body | None) -> Body | None:
    return Text(beginning(body.text, _TEXT_BYTES)) if isinstance(body, Text) else body


def _in_words(body: Body | None) -> str:
    match body:
        case Label(name):
            return name
        case MultiLabel(names):
            return ", ".join(names) or "none of the classes"
        case Score(value):
            return f"{value:g}"
        case Preference(choice):
            return choice.value
        case Text():
            return "answered"
    return ""

"""What the labels of each source bought: a part of the overview, with its curves drawn into the page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from nextlabel.client.messages.amounts import count_within, usd_within
from nextlabel.client.messages.plain import plain
from nextlabel.client.messages.source_points import source_rows
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.web.boundary.choices import one_of
from nextlabel.server.web.boundary.rendering import as_file, page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.server.web.dashboard.curves import or_why
from nextlabel.server.web.words.figures import count, dollars
from nextlabel.v1 import annotation_pb2
from nextlabel.v1 import report_service_pb2 as pb

_NAMES = {
    annotation_pb2.ANNOTATOR_KIND_HUMAN: "people",
    annotation_pb2.ANNOTATOR_KIND_REPLAY: "replay",
    annotation_pb2.ANNOTATOR_KIND_LLM: "LLMs",
    annotation_pb2.ANNOTATOR_KIND_LEARNER: "learner",
}
_PICTURES = {"svg": pb.PLOT_FORMAT_SVG, "png": pb.PLOT_FORMAT_PNG}
_LEFT, _TOP, _WIDTH, _HEIGHT = 46.0, 10.0, 420.0, 190.0


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """The curve of one source: the name of its kind, the points of its line, and where the last one stands."""

    name: str
    place: int
    points: str
    last: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Curves in the space of a picture; ``least`` and ``most`` are the accuracies at its lower and upper edge."""

    lines: Sequence[DrawnLine]
    least: float
    most: float
    farthest: str
    of: str


async def sources(request: Request) -> Response:
    """Return what the labels of each source bought, or why that is not known."""
    who = visitor(request)
    asked = pb.GetSourceCurvesRequest(
        project=request.path_params["project"], person_micro_usd=_micro_usd(request.query_params.get("person", ""))
    )
    found = await or_why(who.call(who.backend.reports.GetSourceCurves, asked, LONG_CALL_S))
    if isinstance(found, str):
        return page(request, "sources.html", why_none=found)
    drawn = [curve for curve in found.curves if curve.points]
    drawings = [_drawing(drawn, lambda point: point.labels, count, "labels")]
    if paid := [curve for curve in drawn if curve.points[-1].micro_usd]:
        drawings.append(_drawing(paid, lambda point: point.micro_usd, dollars, "dollars"))
    person = request.query_params.get("person", "")
    address = f"/projects/{quote(asked.project, safe='')}/sources"
    return page(
        request,
        "sources.html",
        found=found,
        name=source_name,
        a_point=_a_point,
        drawings=drawings,
        address=address,
        query=f"?{urlencode({'person': person})}" if person else "",
    )


async def download(request: Request) -> Response:
    """Hand the curves out as the address ends: all figures as JSON, points as CSV, or a picture as SVG or PNG."""
    form = one_of({"csv": "csv", "json": "json", "svg": "svg", "png": "png"}, request.path_params["form"], "form")
    project, person = request.path_params["project"], _micro_usd(request.query_params.get("person", ""))
    who = visitor(request)
    headers = as_file(f"{project}-sources.{form}")
    if form in _PICTURES:
        drawn = pb.RenderLearningCurveRequest(
            project=project, format=_PICTURES[form], by_source=True, person_micro_usd=person
        )
        picture = await who.call(who.backend.reports.RenderLearningCurve, drawn, LONG_CALL_S)
        return Response(picture.content, media_type=picture.media_type, headers=headers)
    asked = pb.GetSourceCurvesRequest(project=project, person_micro_usd=person)
    found = plain(await who.call(who.backend.reports.GetSourceCurves, asked, LONG_CALL_S))
    if form == "json":
        text = json.dumps(found, ensure_ascii=False, indent=2) + "\n"
        return Response(text, media_type="application/json", headers=headers)
    return Response(_as_csv([*source_rows(found)]), media_type="text/csv", headers=headers)


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0] if rows else ("source",), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def source_name(source: int) -> str:
    """Return whose labels something is about."""
    return _NAMES.get(source, "all")  # type: ignore[call-overload, no-any-return]


def _micro_usd(dollars: str) -> int:
    try:
        amount = float(dollars.strip() or "0")
    except ValueError:
        amount = -1.0
    if not 0 <= amount < 1e6:
        raise InvalidArgument.field("person", f"expected an amount of dollars such as 0.05; got {dollars!r}")
    return round(amount * 1e6)


def _a_point(bought: pb.BoughtAccuracy) -> str:
    """Return what a point of accuracy takes, in labels and in money."""
    said = count_within(plain(bought.labels_a_point))
    labels = said if said == "nothing gained" else f"{said} labels"
    if not bought.HasField("money_a_point") or not bought.labels_a_point.HasField("value"):
        return labels
    return f"{labels}, {usd_within(plain(bought.money_a_point))}"


def _drawing(
    curves: Sequence[pb.SourceCurve], x_of: Callable[[pb.SourcePoint], int], shown: Callable[[int], str], of: str
) -> Drawing:
    """Return lines over what ``x_of`` says, with accuracies that fill the height of the picture."""
    seen = [point.accuracy.value for curve in curves for point in curve.points]
    least, most = min(seen), max(seen)
    span = max(most - least, 0.01)
    farthest = max(x_of(curve.points[-1]) for curve in curves) or 1

    def at(point: pb.SourcePoint) -> tuple[float, float]:
        x = _LEFT + _WIDTH * x_of(point) / farthest
        return round(x, 1), round(_TOP + _HEIGHT * (1 - (point.accuracy.value - least) / span), 1)

    lines = [
        DrawnLine(
            name=source_name(curve.source),
            place=curve.source,
            points=" ".join(f"{x},{y}" for x, y in map(at, curve.points)),
            last=at(curve.points[-1]),
        )
        for curve in curves
    ]
    return Drawing(lines, least, least + span, shown(farthest), of)

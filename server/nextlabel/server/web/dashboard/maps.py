"""The pool in two dimensions: drawn, pointed at, and as a table to look through and to take away."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nextlabel.client.errors import NextlabelError
from nextlabel.client.messages.map_points import COLUMNS, map_row
from nextlabel.client.writers.cells import cell
from nextlabel.server.plots.pool_maps import PADDING, pixel
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.web.boundary.backend import CALL_S, PATIENCE_S
from nextlabel.server.web.boundary.choices import one_of
from nextlabel.server.web.boundary.rendering import as_file, page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.server.web.words.answers import answer_text
from nextlabel.v1 import project_service_pb2 as projects_pb
from nextlabel.v1 import report_service_pb2 as pb

PAGE_ROWS = 50
_COLORS = {
    "label": pb.MAP_COLOR_LABEL,
    "confidence": pb.MAP_COLOR_CONFIDENCE,
    "pick": pb.MAP_COLOR_PICK,
}
_FORMS = {"svg": pb.PLOT_FORMAT_SVG, "png": pb.PLOT_FORMAT_PNG}


async def show(request: Request) -> Response:
    """Show the page, which asks for the map: the first one of a pool takes seconds."""
    who = visitor(request)
    asked = projects_pb.GetProjectRequest(project=request.path_params["project"])
    await who.call(who.backend.projects.GetProject, asked)
    color = request.query_params.get("color", "label")
    one_of(_COLORS, color, "color")
    first = _whole(request, "from")
    return page(request, "map.html", project_name=asked.project, color=color, colors=list(_COLORS), first=first)


async def points(request: Request) -> Response:
    """Return the part of the page that shows the map and a page of its table, or that asks again."""
    try:
        found = await _map(request, PATIENCE_S)
    except NextlabelError as error:
        if error.code.name != "DEADLINE_EXCEEDED":
            raise
        return page(request, "map_points.html", project_name=request.path_params["project"], again=request.url)
    first = _whole(request, "from")
    first = first if first < len(found.points) else 0
    color = request.query_params.get("color", "label")
    one_of(_COLORS, color, "color")
    return page(
        request,
        "map_points.html",
        project_name=request.path_params["project"],
        map=found,
        color=color,
        first=first,
        rows=found.points[first : first + PAGE_ROWS],
        page_rows=PAGE_ROWS,
        padding=PADDING,
    )


async def picture(request: Request) -> Response:
    """Draw the map as the address ends: SVG or PNG; with ``download`` it is a file to keep."""
    who = visitor(request)
    project, form = request.path_params["project"], request.path_params["form"]
    asked = pb.RenderPoolMapRequest(
        project=project,
        format=one_of(_FORMS, form, "form"),
        color=one_of(_COLORS, request.query_params.get("color", "label"), "color"),
        max_points=_whole(request, "points"),
        dark="dark" in request.query_params,
    )
    drawn = await who.call(who.backend.reports.RenderPoolMap, asked)
    headers = as_file(f"{project}-map.{form}") if "download" in request.query_params else None
    return Response(drawn.content, media_type=drawn.media_type, headers=headers)


async def table(request: Request) -> Response:
    """Hand the points out as CSV, named as `nextlabel pool map -o csv` names them."""
    found = await _map(request)
    headers = as_file(f"{request.path_params['project']}-map.csv")
    return Response(points_as_csv(found.points), media_type="text/csv", headers=headers)


async def under_pointer(request: Request) -> Response:
    """Return the points by their place on the picture, in pixels, with what is said about each."""
    found = await _map(request)
    said = [
        {
            "x": pixel(point.x),
            "y": pixel(-point.y),
            "id": point.item_id,
            "text": point.text,
            "label": _in_words(point),
        }
        for point in found.points
    ]
    return JSONResponse(said)


def points_as_csv(points: Iterable[pb.MapPoint]) -> str:
    """Return one row a point; what is not known is empty, and no text is a formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for point in points:
        writer.writerow({name: cell(value) for name, value in map_row(point).items()})
    return text.getvalue()


async def _map(request: Request, within_s: float = CALL_S) -> pb.PoolMap:
    who = visitor(request)
    asked = pb.GetPoolMapRequest(project=request.path_params["project"], max_points=_whole(request, "points"))
    found: pb.GetPoolMapResponse = await who.call(who.backend.reports.GetPoolMap, asked, within_s)
    return found.map


def _in_words(point: pb.MapPoint) -> str:
    said = answer_text(point.answer)
    if not said:
        return "picked, no label yet" if point.picked else "no label yet"
    sure = f", {point.confidence:.0%} sure" if point.HasField("confidence") else ""
    picked = ", picked" if point.picked else ""
    return f"{said} ({'labeled' if point.labeled else 'predicted'}{sure}{picked})"


def _whole(request: Request, name: str) -> int:
    """Return a whole number of the address, 0 without one."""
    given = request.query_params.get(name, "0")
    if not (given.isascii() and given.isdecimal() and len(given) < 7):
        raise InvalidArgument.field(name, f"expected a whole number, got {given!r}")
    return int(given)

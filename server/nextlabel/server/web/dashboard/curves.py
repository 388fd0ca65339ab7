"""The learning curve: drawn on the page, and as a picture or a table to take away."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from nextlabel.client.errors import NextlabelError
from nextlabel.client.export.tables import flat
from nextlabel.client.messages.curve_points import measured
from nextlabel.client.messages.plain import plain
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.server.web.boundary.choices import one_of
from nextlabel.server.web.boundary.rendering import as_file, page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.v1 import report_service_pb2 as pb
from nextlabel.v1.learning_curve_pb2 import LearningCurvePoint

T = TypeVar("T")

_AXES = {"labels": pb.CURVE_AXIS_LABELS, "usd": pb.CURVE_AXIS_USD, "seconds": pb.CURVE_AXIS_SECONDS}
_MEASURES = {"accuracy": pb.CURVE_MEASURE_ACCURACY, "macro_f1": pb.CURVE_MEASURE_MACRO_F1}
_FORMS = {"svg": pb.PLOT_FORMAT_SVG, "png": pb.PLOT_FORMAT_PNG}
_SAID = ("FAILED_PRECONDITION", "INVALID_ARGUMENT", "PERMISSION_DENIED", "DEADLINE_EXCEEDED")
"""Codes of errors that say why there is nothing to show, which the page then says."""
_SPENT = ("labels", "tokens", "micro_usd", "seconds")
_ON_HOLDOUT = (
    "accuracy",
    "accuracy_interval.low",
    "accuracy_interval.high",
    "macro_f1",
    "macro_f1_interval.low",
    "macro_f1_interval.high",
)
_COLUMNS = (*_SPENT, *_ON_HOLDOUT, "holdout_items", "model_version", "time")


async def picture(request: Request) -> Response:
    """Draw the learning curve as the address ends: SVG or PNG; with ``download`` it is a file to keep."""
    who = visitor(request)
    query = request.query_params
    form = request.path_params["form"]
    asked = pb.RenderLearningCurveRequest(
        project=request.path_params["project"],
        format=one_of(_FORMS, form, "form"),
        axis=one_of(_AXES, query.get("axis", "labels"), "axis"),
        measure=one_of(_MEASURES, query.get("measure", "accuracy"), "measure"),
        dark="dark" in query,
    )
    drawn = await who.call(who.backend.reports.RenderLearningCurve, asked)
    headers = as_file(f"{request.path_params['project']}-curve.{form}") if "download" in query else None
    return Response(drawn.content, media_type=drawn.media_type, headers=headers)


async def table(request: Request) -> Response:
    """Hand the points out as CSV, named as `nextlabel report -o csv` names them."""
    who = visitor(request)
    asked = pb.GetLearningCurveRequest(project=request.path_params["project"])
    points: list[LearningCurvePoint] = []
    while True:
        found = await who.call(who.backend.reports.GetLearningCurve, asked)
        points += found.learning_curve.points
        if not found.next_page_token:
            break
        asked.page_token = found.next_page_token
    return Response(points_as_csv(points), media_type="text/csv", headers=as_file(f"{asked.project}-curve.csv"))


async def control(request: Request) -> Response:
    """Return the part of the overview that says what choosing labels saved against random ones, or why nothing is."""
    who = visitor(request)
    asked = pb.GetRandomControlRequest(project=request.path_params["project"])
    found = await or_why(who.call(who.backend.reports.GetRandomControl, asked, LONG_CALL_S))
    if isinstance(found, str):
        return page(request, "control.html", why_none=found)
    return page(request, "control.html", found=found)


async def or_why(call: Awaitable[T]) -> T | str:
    """Return what a call brings, or the sentence of the service that says why it brings nothing."""
    try:
        return await call
    except NextlabelError as error:
        if error.code.name not in _SAID:
            raise
        return error.message


def points_as_csv(points: Sequence[LearningCurvePoint]) -> str:
    """Return one row a point; what no holdout measured is empty, not 0."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for point in points:
        writer.writerow(dict(flat(measured(plain(point)))))
    return text.getvalue()

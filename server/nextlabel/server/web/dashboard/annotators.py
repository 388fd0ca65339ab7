"""How good the annotators are: what became of their answers, how sure they were, and what they confuse."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.json_format import MessageToJson
from starlette.requests import Request
from starlette.responses import Response

from nextlabel.server.web.boundary.rendering import as_file, page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.v1 import report_service_pb2 as pb

_ON_A_PAGE = 10
_MATRIX_CLASSES = 30
_MOST_CONFUSIONS = 50


@dataclass(frozen=True, slots=True)
class Confusion:
    """Gold items of one class that were given another: a count, and its share in [0, 1] of the items of the class."""

    gold: str
    given: str
    items: int
    share: float


async def quality(request: Request) -> Response:
    """Show the quality of annotators, of one alone where the address names it."""
    found = await _report(request, _ON_A_PAGE)
    return page(
        request,
        "annotators.html",
        project_name=request.path_params["project"],
        reports=[(report, confusions(report.on_gold)) for report in found.annotators],
        matrix_classes=_MATRIX_CLASSES,
        only=request.query_params.get("annotator", ""),
        next_page=found.next_page_token,
    )


async def download(request: Request) -> Response:
    """Hand the figures out as JSON."""
    found = await _report(request, 0)
    name = request.path_params["project"]
    return Response(MessageToJson(found), media_type="application/json", headers=as_file(f"{name}-annotators.json"))


def confusions(compared: pb.GoldComparison) -> list[Confusion]:
    """Return what is confused most often, the most frequent first."""
    names = [known.label for known in compared.classes]
    found = [
        Confusion(known.label, given, count, count / sum(known.given))
        for known in compared.classes
        for given, count in zip(names, known.given, strict=False)
        if count and given != known.label
    ]
    return sorted(found, key=lambda pair: -pair.items)[:_MOST_CONFUSIONS]


async def _report(request: Request, rows: int) -> pb.GetAnnotatorReportResponse:
    who = visitor(request)
    asked = pb.GetAnnotatorReportRequest(
        project=request.path_params["project"],
        annotator=request.query_params.get("annotator", ""),
        page_size=rows,
        page_token=request.query_params.get("page", ""),
    )
    found: pb.GetAnnotatorReportResponse = await who.call(who.backend.reports.GetAnnotatorReport, asked)
    return found

"""How good the annotators are: what became of their answers, how sure they were, and what they confuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.json_format import MessageToJson
from starlette.requests import Request
from starlette.responses import Response

from nextlabel.server.web.boundary.rendering import as_file, page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.v1 import quality_service_pb2 as quality_pb
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
        askings=await _askings(request),
        matrix_classes=_MATRIX_CLASSES,
        by=request.query_params.get("by", "").strip(),
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


async def _askings(request: Request) -> Mapping[str, Sequence[quality_pb.GoldAsking]]:
    """Return the times that each annotator was asked about gold again, the newest first; none of those that were never
    asked about the same items twice.
    """
    who = visitor(request)
    asked = quality_pb.GetAnnotatorDriftRequest(
        project=request.path_params["project"], annotator=request.query_params.get("annotator", "")
    )
    by_annotator: dict[str, list[quality_pb.GoldAsking]] = {}
    for one in (await who.call(who.backend.quality.GetAnnotatorDrift, asked)).askings:
        by_annotator.setdefault(one.annotator, []).insert(0, one)
    return {name: own for name, own in by_annotator.items() if any(one.HasField("change") for one in own)}


async def _report(request: Request, rows: int) -> pb.GetAnnotatorReportResponse:
    who = visitor(request)
    asked = pb.GetAnnotatorReportRequest(
        project=request.path_params["project"],
        annotator=request.query_params.get("annotator", ""),
        page_size=rows,
        page_token=request.query_params.get("page", ""),
        by=request.query_params.get("by", "").strip(),
    )
    found: pb.GetAnnotatorReportResponse = await who.call(who.backend.reports.GetAnnotatorReport, asked)
    return found

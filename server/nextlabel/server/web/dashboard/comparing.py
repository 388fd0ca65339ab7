"""Two annotators on the same gold items, and LLMs that judge labels."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from nextlabel.client.messages.comparisons import verdict
from nextlabel.client.messages.plain import plain
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.server.web.dashboard.accuracy import ToldFigure, shares_picture
from nextlabel.server.web.dashboard.curves import or_why
from nextlabel.v1 import quality_service_pb2 as pb

_MOST_JUDGES = 50


async def compare(request: Request) -> Response:
    """Return the part that compares two annotators by their newest answers about the same gold items."""
    who = visitor(request)
    one, other = (request.query_params.get(field, "").strip() for field in ("annotator", "successor"))
    asked = pb.CompareAnnotatorsRequest(project=request.path_params["project"], annotator=one, successor=other)
    found = await or_why(who.call(who.backend.quality.CompareAnnotators, asked))
    if isinstance(found, str):
        return page(request, "compare_part.html", why_none=found)
    figures = [(one, found.annotator_accuracy), (other, found.successor_accuracy)]
    picture = shares_picture([ToldFigure(name, "gold", accuracy, None) for name, accuracy in figures], 1.0)
    said = verdict(plain(found), one, other)
    return page(request, "compare_part.html", found=found, picture=picture, verdict=said, names=(one, other))


async def judges(request: Request) -> Response:
    """Return the part with the LLMs that judged labels, and how right they were about answers to gold items."""
    who = visitor(request)
    asked = pb.ListLabelJudgesRequest(project=request.path_params["project"], page_size=_MOST_JUDGES)
    found = await or_why(who.call(who.backend.quality.ListLabelJudges, asked))
    if isinstance(found, str):
        return page(request, "judges_part.html", why_none=found)
    return page(request, "judges_part.html", judges=found.judges)

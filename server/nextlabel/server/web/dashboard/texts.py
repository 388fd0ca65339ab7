"""Candidate texts side by side, with what judges said of them, and the judges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import session_of, visitor
from nextlabel.v1 import text_service_pb2 as pb

_ON_A_PAGE = 20


async def show(request: Request) -> Response:
    """Show items with their candidates, the best first where the address says in which project they are judged."""
    query = request.query_params
    name, judged_by = request.path_params["project"], query.get("judged_by", "")
    who = visitor(request)
    asked = pb.ListTextsRequest(
        project=name, judged_by=judged_by, page_size=_ON_A_PAGE, page_token=query.get("page", "")
    )
    found = await who.call(who.backend.texts.ListTexts, asked)
    judges = []
    if judged_by:
        judges = (await who.call(who.backend.texts.ListJudges, pb.ListJudgesRequest(project=judged_by))).judges
    return page(
        request,
        "texts.html",
        project_name=name,
        judged_by=judged_by,
        items=found.items,
        judges=judges,
        next_page=found.next_page_token,
        config=_criticising(name, session_of(request).name, found.items),
    )


def _criticising(project: str, annotator: str, items: Iterable[pb.WrittenItem]) -> dict[str, Any]:
    """Return what the page criticises texts with: each text as it is, and what the visitor wrote before."""
    return {"project": project, "annotator": annotator, "items": [_criticisable(item, annotator) for item in items]}


def _criticisable(item: pb.WrittenItem, annotator: str) -> dict[str, Any]:
    own = next((one for one in item.candidates if one.annotator == annotator), pb.CandidateText())
    return {
        "id": item.item_id,
        "texts": [one.text for one in item.candidates],
        "own": own.text,
        "said": {
            one.text: said.critique for one in item.candidates for said in one.critiques if said.critic == annotator
        },
    }

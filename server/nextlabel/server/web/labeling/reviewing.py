"""Labels that are worth another look: how many there are, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nextlabel.client.errors import NextlabelError
from nextlabel.server.web.boundary.backend import PATIENCE_S
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import session_of, visitor
from nextlabel.server.web.words.answers import answer_value
from nextlabel.server.web.words.figures import FILTERS
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import quality_service_pb2 as pb


async def doubtful(request: Request) -> Response:
    """Return the part of the overview that says how many labels the visitor may look at again, or that asks again."""
    name = request.path_params["project"]
    who = visitor(request)
    asked = pb.ListReviewRequest(project=name, annotator=session_of(request).name, page_size=1)
    try:
        found = await who.call(who.backend.quality.ListReview, asked, PATIENCE_S)
    except NextlabelError as error:
        if error.code.name == "DEADLINE_EXCEEDED":
            return page(request, "doubtful.html", project_name=name, looking=True)
        if error.reason != "NO_REVIEW_QUEUE":
            raise
        found = pb.ListReviewResponse()
    return page(request, "doubtful.html", project_name=name, total=found.total, gain=round(found.expected_gain))


def doubted_value(leased: labeling_pb.LeasedItem) -> Mapping[str, Any]:
    """Return what is known of a leased item's label as JSON; what is not known is null or empty."""
    doubted = leased.doubted
    return {
        "label": doubted.label,
        "why": leased.pick.reason.removeprefix("review: "),
        "other": doubted.other_label,
        "confidence": doubted.confidence if doubted.HasField("confidence") else None,
        "filtered_by": list(doubted.filtered_by),
        "answers": [
            {
                "annotator": given.annotator,
                "kind": FILTERS["annotator_kind"](given.annotator_kind),
                "answer": answer_value(given.answer),
                "confidence": given.confidence if given.HasField("confidence") else None,
                "rationale": given.rationale,
            }
            for given in doubted.answers
        ],
    }

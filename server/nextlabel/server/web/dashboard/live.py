"""Server-sent events: tells an open page that the figures of a project have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from nextlabel.client.errors import NextlabelError
from nextlabel.server.web.boundary.backend import Visitor
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.v1 import report_service_pb2 as pb

LOOK_EVERY_S = 0.4
AFTER_A_CHANGE_S = 0.8
"""What changes all the time is told about once a second: every page that is open asks for its figures then."""
_KEEP_ALIVE_LOOKS = 40


async def events(request: Request) -> Response:
    """Stream an event `changed` whenever the overview of the project differs from the one before."""
    changes = _changes(visitor(request), request.path_params["project"])
    return StreamingResponse(changes, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _changes(who: Visitor, project: str) -> AsyncIterator[str]:
    seen, quiet = b"", 0
    yield "retry: 2000\n\n"
    while True:
        pause = LOOK_EVERY_S
        try:
            figures = await who.call(who.backend.reports.GetOverview, pb.GetOverviewRequest(project=project))
        except NextlabelError as error:
            if error.code.name not in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}:
                return
        else:
            now = figures.SerializeToString(deterministic=True)
            if not seen:
                yield ": watching\n\n"
            elif now != seen:
                yield "event: changed\ndata: \n\n"
                quiet, pause = 0, AFTER_A_CHANGE_S
            seen = now
        quiet += 1
        if quiet % _KEEP_ALIVE_LOOKS == 0:
            yield ": still here\n\n"
        await asyncio.sleep(pause)

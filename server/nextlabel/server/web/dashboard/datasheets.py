"""The datasheet of a project: to read on a page, and as a file to take away."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from nextlabel.client.export.datasheet import Datasheet
from nextlabel.client.export.markdown import markdown
from nextlabel.client.export.release import datasheet
from nextlabel.client.handles import ProjectHandle
from nextlabel.client.transport.connection import Connection, Target
from nextlabel.client.transport.modes import Blocking
from nextlabel.server.web.boundary.choices import one_of
from nextlabel.server.web.boundary.rendering import as_file, page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.v1 import project_service_pb2 as projects_pb

_MEDIA_TYPES = {"md": "text/markdown", "json": "application/json"}


@dataclass(frozen=True, slots=True)
class Datasheets:
    """Writes datasheets, one at a time: each reads every item and every annotation."""

    _turn: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def written(self, request: Request) -> Datasheet:
        """Return the datasheet of the project in the address, as `nextlabel export --form datasheet` has it."""
        who = visitor(request)
        connection = Connection(Target(who.backend.server, token=who.token or None), channel=who.backend.channel)
        project = ProjectHandle(connection, Blocking(asyncio.get_running_loop()), request.path_params["project"])
        async with self._turn:
            return await asyncio.to_thread(lambda: datasheet(project, project.labels()))


async def show(request: Request) -> Response:
    """Show the page, which asks for the datasheet itself."""
    name = request.path_params["project"]
    who = visitor(request)
    await who.call(who.backend.projects.GetProject, projects_pb.GetProjectRequest(project=name))
    return page(request, "datasheet.html", project_name=name)


async def text(request: Request) -> Response:
    """Return the part of the page with the datasheet."""
    sheet = await request.app.state.datasheets.written(request)
    return page(request, "datasheet_text.html", text=markdown(sheet))


async def download(request: Request) -> Response:
    """Hand the datasheet out as the address ends: Markdown, or its figures as JSON."""
    form = request.path_params["form"]
    media_type = one_of(_MEDIA_TYPES, form, "form")
    sheet = await request.app.state.datasheets.written(request)
    content = markdown(sheet) if form == "md" else json.dumps(sheet.figures(), ensure_ascii=False, indent=2)
    headers = as_file(f"{request.path_params['project']}-datasheet.{form}")
    return Response(content + "\n", media_type=media_type, headers=headers)

"""Templates as pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nextlabel.server.values.ids import new_id


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """Return a page made of a template, which may ask for ids of requests by ``new_id``."""
    rendered: Response = request.app.state.templates.TemplateResponse(
        request, template, {"new_id": new_id, **context}, status_code=status
    )
    return rendered


def as_file(name: str) -> Mapping[str, str]:
    """Return the headers by which a browser keeps an answer as a file."""
    return {"content-disposition": f'attachment; filename="{name}"'}

"""The pages as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from nextlabel.client.errors import NextlabelError
from nextlabel.server.values.errors import DomainError
from nextlabel.server.web.boundary import sessions
from nextlabel.server.web.boundary.backend import Backend
from nextlabel.server.web.boundary.protection import Protection
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.dashboard import (
    accuracy,
    annotators,
    comparing,
    creating,
    curves,
    datasheets,
    filtering,
    live,
    maps,
    pages,
    routing,
    source_curves,
    starting,
    texts,
)
from nextlabel.server.web.labeling import labeling, reviewing
from nextlabel.server.web.words import figures

_HERE = Path(__file__).parent
_STATUS = {"NOT_FOUND": 404, "PERMISSION_DENIED": 403, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504}


def web_app(backend: Backend, hosts: frozenset[str]) -> Starlette:
    """Return the pages over a service. ``hosts`` are the names that browsers may know this server by."""
    templates = Jinja2Templates(_HERE / "templates", context_processors=[sessions.shown])
    templates.env.filters.update(figures.FILTERS)
    project = "/projects/{project}"
    api = f"/api{project}"
    routes = [
        Route("/", pages.projects),
        Route("/login", sessions.show_login),
        Route("/login", sessions.login, methods=["POST"]),
        Route("/logout", sessions.logout, methods=["POST"]),
        Route("/new", creating.new_project),
        Route("/new", creating.create_project, methods=["POST"]),
        Route(project, pages.overview),
        Route(f"{project}/add", creating.file_form),
        Route(f"{project}/add", creating.add_file, methods=["POST"]),
        Route(f"{project}/figures", pages.overview_figures),
        Route(f"{project}/curve.csv", curves.table),
        Route(f"{project}/curve.{{form}}", curves.picture),
        Route(f"{project}/accuracy", accuracy.show),
        Route(f"{project}/accuracy/model", accuracy.accuracy),
        Route(f"{project}/accuracy/shares", accuracy.shares),
        Route(f"{project}/accuracy/joining", accuracy.joining),
        Route(f"{project}/accuracy/delivery", accuracy.delivery),
        Route(f"{project}/control", curves.control),
        Route(f"{project}/sources", source_curves.sources),
        Route(f"{project}/sources.{{form}}", source_curves.download),
        Route(f"{project}/datasheet", datasheets.show),
        Route(f"{project}/datasheet/text", datasheets.text),
        Route(f"{project}/datasheet.{{form}}", datasheets.download),
        Route(f"{project}/map", maps.show),
        Route(f"{project}/map/points", maps.points),
        Route(f"{project}/map.csv", maps.table),
        Route(f"{project}/map.json", maps.under_pointer),
        Route(f"{project}/map.{{form}}", maps.picture),
        Route(f"{project}/live", live.events),
        Route(f"{project}/items", pages.items),
        Route(f"{project}/texts", texts.show),
        Route(f"{project}/guidelines", pages.guidelines),
        Route(f"{project}/guidelines/{{version:int}}", pages.decide_guidelines, methods=["POST"]),
        Route(f"{project}/ledger", pages.ledger),
        Route(f"{project}/annotators", annotators.quality),
        Route(f"{project}/annotators.json", annotators.download),
        Route(f"{project}/annotators/compare", comparing.compare),
        Route(f"{project}/annotators/judges", comparing.judges),
        Route(f"{project}/routes", routing.show),
        Route(f"{project}/routes", routing.carry_out, methods=["POST"]),
        Route(f"{project}/routes/plan", routing.plan),
        Route(f"{project}/filters", filtering.show),
        Route(f"{project}/filters", filtering.set_filter, methods=["POST"]),
        Route(f"{project}/filters/left-out", filtering.left_out),
        Route(f"{project}/filters/items", filtering.keep_item, methods=["POST"]),
        Route(f"{project}/filters/{{filter}}/{{turn}}", filtering.turn_filter, methods=["POST"]),
        Route(f"{project}/budget", pages.set_budget, methods=["POST"]),
        Route(f"{project}/export", pages.export),
        Route(f"{project}/start", starting.form),
        Route(f"{project}/start", starting.quote_or_start, methods=["POST"]),
        Route(f"{project}/runs/{{run}}/{{turn}}", pages.turn_run, methods=["POST"]),
        Route(f"{project}/label", labeling.label_page),
        Route(f"{project}/review", labeling.review_page),
        Route(f"{project}/audit", labeling.audit_page),
        Route(f"{project}/doubtful", reviewing.doubtful),
        Route(f"{api}/lease", labeling.as_json(labeling.lease), methods=["POST"]),
        Route(f"{api}/submit", labeling.as_json(labeling.submit), methods=["POST"]),
        Route(f"{api}/release", labeling.as_json(labeling.release), methods=["POST"]),
        Route(f"{api}/progress", labeling.as_json(labeling.progress)),
        Route("/worker.js", _static("worker.js")),
        Route("/manifest.webmanifest", _static("manifest.webmanifest", "application/manifest+json")),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Protection, hosts=hosts, file_bytes=creating.MAX_FILE_BYTES)],
        exception_handlers={NextlabelError: _service_said, DomainError: _asked_wrongly},
    )
    app.state.backend = backend
    app.state.templates = templates
    app.state.datasheets = datasheets.Datasheets()
    return app


def _static(name: str, media_type: str | None = None) -> Callable[[Request], Any]:
    async def file(_: Request) -> Response:
        return FileResponse(_HERE / "static" / name, media_type=media_type)

    return file


async def _service_said(request: Request, error: Exception) -> Response:
    """Show what the service answered instead; who has no token yet is asked for one."""
    assert isinstance(error, NextlabelError)
    if error.code.name == "UNAUTHENTICATED":
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
    return _problem(request, error.message, _STATUS.get(error.code.name, 400))


async def _asked_wrongly(request: Request, error: Exception) -> Response:
    return _problem(request, str(error), 400)


def _problem(request: Request, message: str, status: int) -> Response:
    return page(request, "problem.html", status=status, message=message)

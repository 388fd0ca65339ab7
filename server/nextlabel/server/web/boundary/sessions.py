"""Who looks: the cookie with the token, and the page that asks for one."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from nextlabel.client.errors import NextlabelError
from nextlabel.client.transport.references import is_sendable
from nextlabel.server.web.boundary.backend import Backend, Visitor
from nextlabel.server.web.boundary.rendering import page
from nextlabel.v1 import project_service_pb2 as projects_pb

COOKIE = "nextlabel"
MAX_TOKEN_BYTES = 512
MAX_NAME_BYTES = 128
_KEPT_S = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Session:
    """What the cookie holds: the bearer token of the API, and the name that annotations are given under."""

    token: str = ""
    name: str = ""


def session_of(request: Request) -> Session:
    """Return the session of a request; an unreadable cookie is none."""
    packed = request.cookies.get(COOKIE, "")
    try:
        values = json.loads(urlsafe_b64decode(packed)) if packed else {}
    except (ValueError, RecursionError):
        return Session()
    if not isinstance(values, dict):
        return Session()
    token, name = values.get("token", ""), values.get("name", "")
    if not isinstance(token, str) or not isinstance(name, str):
        return Session()
    return Session(token, name) if is_sendable(token) and name.isprintable() else Session()


def shown(request: Request) -> dict[str, Any]:
    """Return what every page shows of the session: the name, never the token."""
    return {"visitor_name": session_of(request).name}


def visitor(request: Request) -> Visitor:
    """Return who looks, as the service will see them."""
    backend: Backend = request.app.state.backend
    return Visitor(backend, session_of(request).token)


def remember(response: Response, session: Session, *, secure: bool) -> None:
    """Put a session into the cookie: out of reach of scripts, and never sent by pages of other sites."""
    packed = urlsafe_b64encode(json.dumps({"token": session.token, "name": session.name}).encode()).decode()
    response.set_cookie(COOKIE, packed, max_age=_KEPT_S, httponly=True, samesite="strict", secure=secure, path="/")


async def show_login(request: Request, problem: str = "", status: int = 200) -> Response:
    """Return the page that asks for a token and a name."""
    name, then = session_of(request).name, _next(request.query_params.get("next"))
    return page(request, "login.html", status=status, problem=problem, name=name, next=then)


async def login(request: Request) -> Response:
    """Check a token with the service and keep it in the cookie."""
    form = await request.form()
    token, name = str(form.get("token", "")).strip(), str(form.get("name", "")).strip()
    if len(token) > MAX_TOKEN_BYTES or not name.isprintable() or len(name.encode()) > MAX_NAME_BYTES:
        return await show_login(request, f"a name has at most {MAX_NAME_BYTES} printable characters", 400)
    if not is_sendable(token):
        return await show_login(request, "the token holds a character that no token has; copy it again", 400)
    try:
        await Visitor(request.app.state.backend, token).call(
            request.app.state.backend.projects.ListProjects, projects_pb.ListProjectsRequest(page_size=1)
        )
    except NextlabelError as error:
        return await show_login(request, error.message, 401)
    response = RedirectResponse(_next(str(form.get("next", ""))), 303)
    remember(response, Session(token, name), secure=request.url.scheme == "https")
    return response


async def logout(request: Request) -> Response:
    """Forget the session."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _next(path: str | None) -> str:
    """Return where to go after logging in: a path of this server, nothing else."""
    return path if path and path.startswith("/") and not path.startswith(("//", "/\\")) else "/"

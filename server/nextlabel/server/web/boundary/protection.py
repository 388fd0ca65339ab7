"""What every request to the pages passes: who may name this host, who may post, and what a page may load."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 4 * 2**20
_ADDS_FILE = re.compile(r"/projects/[^/]+/add")
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "manifest-src 'self'; worker-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Protection:
    """ASGI middleware.

    A page of another site can make a browser send requests here, and a name of another site can be made to point
    here (DNS rebinding). So only the hosts in ``hosts`` may be named, and what changes anything must come from a
    page of this origin: browsers say so in ``Sec-Fetch-Site`` and ``Origin``. A body has at most MAX_BODY_BYTES, the
    file that is added to a project ``file_bytes``.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], file_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._hosts = hosts
        self._file_bytes = file_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the headers that every answer carries."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most_bytes = self._file_bytes if _ADDS_FILE.fullmatch(scope["path"]) else MAX_BODY_BYTES
        refusal = self._refusal(scope["method"], Headers(scope=scope), most_bytes)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self._app(scope, _bounded(receive, most_bytes), _with_headers(send))

    def _refusal(self, method: str, headers: Headers, most_bytes: int) -> PlainTextResponse | None:
        host = _host_name(headers.get("host", ""))
        if "*" not in self._hosts and host not in self._hosts:
            return PlainTextResponse(
                f"this server does not go by the name {host!r}; name it in the setting web.hosts\n", 421
            )
        if method in _CHANGING and not _same_origin(headers):
            return PlainTextResponse("changes are taken from pages of this server only\n", 403)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most_bytes:
            return PlainTextResponse(f"at most {most_bytes:,} bytes\n", 413)
        return None


def _same_origin(headers: Headers) -> bool:
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site == "same-origin"
    return urlsplit(origin).netloc == headers.get("host")


def _host_name(host: str) -> str:
    """Return a host without its port, in lower case.

    >>> _host_name("Localhost:8080"), _host_name("[::1]:8080")
    ('localhost', '::1')
    """
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending


def _bounded(receive: Receive, most_bytes: int) -> Callable[[], Awaitable[Message]]:
    taken = 0

    async def receiving() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most_bytes:
            return {"type": "http.disconnect"}
        return message

    return receiving

"""The one boundary that every call passes, health checks and reflection included.

gRPC would wait for requests without end, decode them before any interceptor runs, and answer malformed bytes with
UNKNOWN. So the boundary begins with the headers of a call, finds out who calls, waits for the request as long as that
caller may take, and decodes it itself. It writes the responses of streams itself, too: then
errors and cancellation that come up while a stream is iterated arrive in here and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from nextlabel.server.api.boundary.admission import Places
from nextlabel.server.api.boundary.auth import LOCAL, Authenticator, Credentials, certificate_names
from nextlabel.server.api.boundary.calls import Call, Principal, enter
from nextlabel.server.api.boundary.letting_go import let_go_at_end
from nextlabel.server.api.boundary.metrics import CallMetrics
from nextlabel.server.api.boundary.permissions import RULES, Rule
from nextlabel.server.api.boundary.refusals import Refusals
from nextlabel.server.api.boundary.sizes import check_sizes
from nextlabel.server.api.boundary.status import ServerDeadlineError, error_status, is_fault
from nextlabel.server.system.tracing import TRACE_HEADERS, call_span, end_call
from nextlabel.server.values.access import Role
from nextlabel.server.values.errors import InvalidArgument, Unavailable
from nextlabel.server.values.limits import Limits

_log = structlog.stdlib.get_logger(__name__)
_REFERENCE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REFERENCE_HEADER = "x-request-id"
_HEADERS = (_REFERENCE_HEADER, "authorization", *TRACE_HEADERS)
_FAREWELL_S = 0.2
_NAMES = {key: code.name for code in grpc.StatusCode for key in (code, code.value[0])}
_REFUSALS_AT_ONCE = 100
_REFUSALS_PER_S = 100.0
_REFUSALS_WAITING = 8_192

# Generic in the type stubs only.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_ANYONE = Principal(id="anyone", name="anyone", role=Role.READER)
# Callers without a name of their own are told apart by their host.
_SHARED = (_ANYONE.id, LOCAL.id)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One RPC: its name, its rule, and the servicer's method behind it."""

    method: str
    rule: Rule
    behaviour: Callable[[Any, Context], Any]
    decode: Callable[[bytes], Message]
    request_streaming: bool
    unary: bool
    limits: Limits

    def request(self, raw: bytes) -> Message:
        """Decode a request and check its sizes, or raise InvalidArgument."""
        try:
            request = self.decode(raw)
        except DecodeError as error:
            raise InvalidArgument.field(
                "request", f"not a valid request of {self.method}: malformed protobuf or invalid UTF-8 in a string"
            ) from error
        check_sizes(request, self.limits)
        return request


class Boundary(grpc.aio.ServerInterceptor):
    """Admission, identity, permission, decoding, deadline, error mapping, metrics and logs of every call."""

    def __init__(
        self,
        authenticator: Authenticator,
        places: Places,
        metrics: CallMetrics,
        *,
        default_deadline_s: float,
        limits: Limits,
        rules: Mapping[str, Rule] = RULES,
    ) -> None:
        self._authenticator = authenticator
        self._places = places
        self._limits = limits
        self._refusals = Refusals(burst=_REFUSALS_AT_ONCE, per_s=_REFUSALS_PER_S, waiting=_REFUSALS_WAITING)
        self._metrics = metrics
        self._default_deadline_s = default_deadline_s
        self._rules = rules
        self._handlers: dict[str, _Handler] = {}
        self._endless: set[asyncio.Timeout] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """Return the handler of a method with the boundary around it; None for unknown methods."""
        method = str(handler_call_details.method)
        if method not in self._handlers:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            self._handlers[method] = self._guarded(method, handler)
        return self._handlers[method]

    def _guarded(self, method: str, handler: _Handler) -> _Handler:
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        endpoint = _Endpoint(
            method=method,
            rule=self._rules[method],
            behaviour=cast("Callable[[Any, Context], Any]", behaviour),
            decode=cast("Callable[[bytes], Message]", handler.request_deserializer),
            request_streaming=bool(handler.request_streaming),
            limits=self._limits,
            unary=not (handler.request_streaming or handler.response_streaming),
        )
        # Taken as a stream, a request is waited for in here, where it has a limit: gRPC would wait for ever.
        make, respond = (
            (grpc.stream_stream_rpc_method_handler, self._respond_many)
            if handler.response_streaming
            else (grpc.stream_unary_rpc_method_handler, self._respond_once)
        )
        guarded: _Handler = make(
            let_go_at_end(respond(endpoint)),
            request_deserializer=None,
            response_serializer=handler.response_serializer,
        )
        return guarded

    def _respond_once(self, endpoint: _Endpoint) -> Callable[[Any, Context], Awaitable[Any]]:
        async def respond(messages: Any, context: Context) -> Any:
            async with self._call(endpoint, context, messages) as requests:
                return await endpoint.behaviour(requests, context)

        return respond

    def _respond_many(self, endpoint: _Endpoint) -> Callable[[Any, Context], Awaitable[None]]:
        async def respond(messages: Any, context: Context) -> None:
            async with self._call(endpoint, context, messages) as requests:
                responses = endpoint.behaviour(requests, context)
                if not hasattr(responses, "__aiter__"):
                    # The standard health service writes to the context itself.
                    await responses
                    return
                async with aclosing(responses):
                    async for response in responses:
                        await _write(context, response)

        return respond

    @asynccontextmanager
    async def _call(self, endpoint: _Endpoint, context: Context, messages: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        """Surround one call; the value is its request, or an iterator of its requests.

        Everything that goes wrong inside becomes a status, everything is counted once, before the caller is told.
        """
        started = time.perf_counter()
        headers = _headers(context)
        reference = _reference(headers)
        structlog.contextvars.bind_contextvars(method=endpoint.method, reference=reference)
        self._metrics.started(endpoint.method)
        code, status = "CANCELLED", None
        known = False
        with call_span(endpoint.method, reference, headers) as current:
            try:
                principal = await self._principal(endpoint, context, headers)
                known = principal is not _ANYONE
                enter(Call(endpoint.method, reference, principal))
                requests = await self._requests(endpoint, principal, messages)
                with self._place(endpoint, principal, context):
                    async with self._limited(endpoint, context):
                        yield requests
                code = "OK"
            except grpc.aio.AbortError:
                code = _name(context.code())
                raise
            except Exception as error:  # noqa: BLE001 -- the outermost frame of a call: whatever it is becomes a status
                if is_fault(error):
                    _log.exception("call failed")
                status = rpc_status.to_status(error_status(error, endpoint.method, reference))
                code = _name(status.code)
            finally:
                seconds = time.perf_counter() - started
                self._metrics.ended(endpoint.method, code, seconds)
                end_call(current, code)
                # Who is not known can write no log full.
                level = logging.INFO if known and status is not None else logging.DEBUG
                _log.log(level, "call ended", code=code, seconds=round(seconds, 6))
        if status is not None:
            if not known:
                await self._refusals.turn()
            await context.abort_with_status(status)

    async def _principal(self, endpoint: _Endpoint, context: Context, headers: Mapping[str, list[str]]) -> Principal:
        """Find out who calls, before anything of the call is waited for or kept."""
        if endpoint.rule.open:
            return _ANYONE
        names = certificate_names(context.auth_context())
        principal = await self._authenticator.principal(Credentials(headers.get("authorization", []), names))
        structlog.contextvars.bind_contextvars(caller=principal.name)
        endpoint.rule.check_role(principal)
        return principal

    async def _requests(self, endpoint: _Endpoint, principal: Principal, messages: AsyncIterator[bytes]) -> Any:
        """Return the decoded request, or an iterator of decoded requests, of a caller who may see the project in it.

        The first request of a stream names the project for all, so it is read before the servicer is called.
        """
        arrivals = self._places.unknown_arrivals if endpoint.rule.open else self._places.arrivals
        async with arrivals.waiting():
            first = await anext(messages, None)
        if endpoint.request_streaming:
            opening = [] if first is None else [_checked(endpoint, principal, first)]
            return _stream(endpoint, opening, messages)
        if first is None:
            raise InvalidArgument.field("request", f"{endpoint.method} takes one request, and none came")
        return _checked(endpoint, principal, first)

    def _place(self, endpoint: _Endpoint, principal: Principal, context: Context) -> AbstractContextManager[None]:
        """Hold a place of the call's kind. Health checks need none: they are answered on the spot."""
        places, rule = self._places, endpoint.rule
        if rule.open and endpoint.unary:
            return nullcontext()
        if rule.open:
            admission = places.unknown
        elif endpoint.unary:
            admission = places.calls
        else:
            admission = places.watchers if rule.endless else places.streams
        return admission.place(_host(context.peer()) if principal.id in _SHARED else principal.id)

    def _limited(self, endpoint: _Endpoint, context: Context) -> AbstractAsyncContextManager[None]:
        """Bound how long a call lasts: the server's own deadline for unary calls that come without one."""
        if endpoint.rule.endless:
            return self._until_drained()
        bounded = endpoint.rule.open or (endpoint.unary and context.time_remaining() is None)
        return _within(self._default_deadline_s if bounded else None)

    @asynccontextmanager
    async def _until_drained(self) -> AsyncIterator[None]:
        """Let the body run until the server stops, then raise Unavailable: its caller can go on elsewhere."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._endless.add(scope)
                yield
        except TimeoutError as error:
            if scope.expired():
                raise Unavailable(
                    "the server is stopping; connect again", retry_after_s=1.0, reason="SERVER_STOPPING"
                ) from error
            raise
        finally:
            self._endless.discard(scope)

    def drain(self) -> None:
        """End the streams that would go on for ever, after a moment for what they have to say about the stop."""
        soon = asyncio.get_running_loop().time() + _FAREWELL_S
        for scope in self._endless:
            scope.reschedule(soon)


@asynccontextmanager
async def _within(seconds: float | None) -> AsyncIterator[None]:
    """Cancel the body after `seconds` and raise ServerDeadlineError, apart from timeouts of its own making."""
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    except TimeoutError as error:
        if scope.expired() and seconds is not None:
            raise ServerDeadlineError(seconds) from error
        raise


async def _write(context: Context, response: Any) -> None:
    """Send one response; a caller who left meanwhile ends the call as one that was cancelled."""
    try:
        await context.write(response)
    except grpc.aio.InternalError as error:
        raise asyncio.CancelledError from error


def _checked(endpoint: _Endpoint, principal: Principal, raw: bytes) -> Message:
    request = endpoint.request(raw)
    endpoint.rule.check_scope(principal, request)
    return request


async def _stream(
    endpoint: _Endpoint, opening: Sequence[Message], rest: AsyncIterator[bytes]
) -> AsyncIterator[Message]:
    for request in opening:
        yield request
    async for raw in rest:
        yield endpoint.request(raw)


def _headers(context: Context) -> dict[str, list[str]]:
    """Return the headers that the boundary reads."""
    found: dict[str, list[str]] = {}
    for key, value in context.invocation_metadata() or ():
        if key in _HEADERS and isinstance(value, str):
            found.setdefault(key, []).append(value)
    return found


def _reference(headers: Mapping[str, list[str]]) -> str:
    """Return the caller's own reference when it is a safe one, else a new one."""
    given = headers.get(_REFERENCE_HEADER, [""])[0]
    return given if _REFERENCE.fullmatch(given) else secrets.token_hex(8)


def _host(peer: str) -> str:
    """Return a peer such as `ipv4:10.0.0.1:4711` without its port."""
    return peer.rpartition(":")[0] or peer


def _name(code: Any) -> str:
    """Return the name of a status code, which grpc gives as an enum or as a number."""
    return _NAMES.get(code, "UNKNOWN")

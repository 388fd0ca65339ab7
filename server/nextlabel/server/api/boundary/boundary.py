"""The one boundary that every call passes, health checks and reflection included.

gRPC would decode requests before any interceptor runs and answer malformed bytes with UNKNOWN. So the boundary takes
raw bytes and decodes them itself, after it knows the caller. It writes the responses of streams itself, too: then
errors and cancellation that come up while a stream is iterated arrive in here and nowhere else.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from nextlabel.server.api.boundary.admission import Admission
from nextlabel.server.api.boundary.auth import LOCAL, Authenticator, Credentials, certificate_names
from nextlabel.server.api.boundary.calls import Call, Principal, enter
from nextlabel.server.api.boundary.metrics import CallMetrics
from nextlabel.server.api.boundary.rules import RULES, Rule
from nextlabel.server.api.boundary.status import ServerDeadlineError, error_status, is_fault
from nextlabel.server.values.access import Role
from nextlabel.server.values.errors import InvalidArgument, Unavailable

_log = structlog.stdlib.get_logger(__name__)
_REFERENCE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REFERENCE_HEADER = "x-request-id"
_FAREWELL_S = 0.2

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

    def request(self, raw: bytes) -> Message:
        """Decode a request, or raise InvalidArgument."""
        try:
            return self.decode(raw)
        except DecodeError as error:
            raise InvalidArgument.field(
                "request", f"not a valid request of {self.method}: malformed protobuf or invalid UTF-8 in a string"
            ) from error


class Boundary(grpc.aio.ServerInterceptor):
    """Admission, identity, permission, decoding, deadline, error mapping, metrics and logs of every call."""

    def __init__(
        self,
        authenticator: Authenticator,
        unary_admission: Admission,
        stream_admission: Admission,
        metrics: CallMetrics,
        *,
        default_deadline_s: float,
        rules: Mapping[str, Rule] = RULES,
    ) -> None:
        self._authenticator = authenticator
        self._unary_admission = unary_admission
        self._stream_admission = stream_admission
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
            unary=not (handler.request_streaming or handler.response_streaming),
        )
        make, respond = {
            (False, False): (grpc.unary_unary_rpc_method_handler, self._respond_once),
            (True, False): (grpc.stream_unary_rpc_method_handler, self._respond_once),
            (False, True): (grpc.unary_stream_rpc_method_handler, self._respond_many),
            (True, True): (grpc.stream_stream_rpc_method_handler, self._respond_many),
        }[handler.request_streaming, handler.response_streaming]
        guarded: _Handler = make(
            respond(endpoint),
            request_deserializer=None,
            response_serializer=handler.response_serializer,
        )
        return guarded

    def _respond_once(self, endpoint: _Endpoint) -> Callable[[Any, Context], Awaitable[Any]]:
        async def respond(raw: Any, context: Context) -> Any:
            async with self._call(endpoint, context) as principal:
                requests = await _requests(endpoint, principal, raw)
                return await endpoint.behaviour(requests, context)

        return respond

    def _respond_many(self, endpoint: _Endpoint) -> Callable[[Any, Context], Awaitable[None]]:
        async def respond(raw: Any, context: Context) -> None:
            async with self._call(endpoint, context) as principal:
                requests = await _requests(endpoint, principal, raw)
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
    async def _call(self, endpoint: _Endpoint, context: Context) -> AsyncIterator[Principal]:
        """Surround one call: everything that goes wrong inside becomes a status, everything is counted once."""
        started = time.perf_counter()
        headers = _headers(context)
        reference = _reference(headers)
        structlog.contextvars.bind_contextvars(method=endpoint.method, reference=reference)
        self._metrics.started(endpoint.method)
        code = "CANCELLED"
        try:
            async with self._admitted(endpoint, context, headers) as principal:
                enter(Call(endpoint.method, reference, principal))
                async with self._limited(endpoint, context):
                    yield principal
            code = "OK"
        except grpc.aio.AbortError:
            code = _name(context.code())
            raise
        except Exception as error:  # noqa: BLE001 -- the outermost frame of a call: whatever it is becomes a status
            if is_fault(error):
                _log.exception("call failed")
            status = rpc_status.to_status(error_status(error, endpoint.method, reference))
            code = _name(status.code)
            await context.abort_with_status(status)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.ended(endpoint.method, code, seconds)
            _log.debug("call ended", code=code, seconds=round(seconds, 6))

    @asynccontextmanager
    async def _admitted(
        self, endpoint: _Endpoint, context: Context, headers: Mapping[str, list[str]]
    ) -> AsyncIterator[Principal]:
        """Hold a place for the call and find out who calls. Health checks pass even when all places are taken."""
        if endpoint.rule.open and endpoint.unary:
            yield _ANYONE
            return
        admission = self._unary_admission if endpoint.unary else self._stream_admission
        with admission.place():
            principal = _ANYONE
            if not endpoint.rule.open:
                names = certificate_names(context.auth_context())
                credentials = Credentials(headers.get("authorization", []), names)
                principal = await self._authenticator.principal(credentials)
            structlog.contextvars.bind_contextvars(caller=principal.name)
            endpoint.rule.check_role(principal)
            with admission.place_of(principal.id if principal.id not in _SHARED else _host(context.peer())):
                yield principal

    def _limited(self, endpoint: _Endpoint, context: Context) -> AbstractAsyncContextManager[None]:
        """Bound how long a call lasts: the server's own deadline for unary calls that come without one."""
        if endpoint.rule.endless:
            return self._until_drained()
        given = cast("float | None", context.time_remaining())
        return _within(self._default_deadline_s if endpoint.unary and given is None else None)

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


async def _requests(endpoint: _Endpoint, principal: Principal, raw: Any) -> Any:
    """Return the decoded request, or an iterator of decoded requests, of a caller who may see the project in it.

    The first request of a stream names the project for all, so it is read before the servicer is called.
    """
    if not endpoint.request_streaming:
        return _checked(endpoint, principal, raw)
    messages = aiter(raw)
    first = await anext(messages, None)
    opening = [] if first is None else [_checked(endpoint, principal, first)]
    return _stream(endpoint, opening, messages)


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
        if key in (_REFERENCE_HEADER, "authorization") and isinstance(value, str):
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
    return next((c.name for c in grpc.StatusCode if code in (c, c.value[0])), "UNKNOWN")

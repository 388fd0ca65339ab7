"""Spans of what the server does, for OpenTelemetry.

Only its API is needed here: without an exporter spans cost next to nothing and go nowhere. They
hold names of methods and models, never texts, labels or secrets: what an exception says stays out of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

P = ParamSpec("P")
T = TypeVar("T")
TRACE_HEADERS = ("traceparent", "tracestate")
"""Headers by which a caller says which trace its call belongs to (W3C Trace Context)."""

# Those of the semantic conventions for gRPC servers: other codes are mistakes of the caller.
_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
_tracer = trace.get_tracer("nextlabel")
_propagator = TraceContextTextMapPropagator()


@contextmanager
def span(name: str, **attributes: str) -> Iterator[trace.Span]:
    """Surround a piece of work; it failed when an exception leaves it."""
    with (
        _tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as current,
        _failing(current),
    ):
        yield current


@contextmanager
def call_span(method: str, reference: str, headers: Mapping[str, Sequence[str]]) -> Iterator[trace.Span]:
    """Surround a call of a client, within the client's own trace where its headers name one.

    ``method`` is such as ``/nextlabel.v1.PoolService/GetItem``.
    """
    service, _, name = method.strip("/").partition("/")
    with _tracer.start_as_current_span(
        method.strip("/"),
        context=_propagator.extract(headers),
        kind=trace.SpanKind.SERVER,
        attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": name, "nextlabel.reference": reference},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        yield current


def end_call(current: trace.Span, code: str) -> None:
    """Say with which status code, such as ``NOT_FOUND``, a call ended, and whether that is a fault of the server."""
    current.set_attribute("rpc.response.status_code", code)
    if code in _FAULTS:
        current.set_status(trace.Status(trace.StatusCode.ERROR))


def traced(name: str) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Make each call of an asynchronous function a span."""

    def wrap(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(function)
        async def within(*args: P.args, **kwargs: P.kwargs) -> T:
            with span(name):
                return await function(*args, **kwargs)

        return within

    return wrap


@contextmanager
def _failing(current: trace.Span) -> Iterator[None]:
    try:
        yield
    except Exception:
        current.set_status(trace.Status(trace.StatusCode.ERROR))
        raise

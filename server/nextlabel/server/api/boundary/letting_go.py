"""Lets go of a call when it ends, instead of leaving it to the garbage collector.

A call ends in circles: gRPC's generator of its requests holds the call that holds it, and gRPC keeps what aborts a
call in the call's state, while its traceback, and that of the error behind it, hold every frame of the call. A
collector frees circles late, and a circle with an unfinished generator only when it meets it a second time: by then it
is old, and what is old is hardly looked at any more, so that requests of any size pile up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

Respond = Callable[[Any, Any], Awaitable[Any]]


def let_go_at_end(respond: Respond) -> Respond:
    """Return the same handler of `(requests, context)` that leaves no circle behind, however it ends."""

    async def call(requests: Any, context: Any) -> Any:
        try:
            return await respond(requests, context)
        except grpc.aio.AbortError as error:
            _drop_tracebacks(error)
            raise
        finally:
            # It cannot be closed while a task that was cancelled still waits for a request, and ends with that task.
            with contextlib.suppress(RuntimeError):
                await aiter(requests).aclose()
            del requests, context

    return call


def _drop_tracebacks(error: BaseException) -> None:
    """Take the frames from an error and from what led to it: what was to be logged of them is logged by now."""
    behind: BaseException | None = error
    while behind is not None and behind.__traceback__ is not None:
        behind.__traceback__ = None
        behind = behind.__cause__ or behind.__context__

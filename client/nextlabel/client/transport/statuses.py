"""With what a server ended a call that was still being sent to."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc

from nextlabel.client.errors import ended_while_sending

T = TypeVar("T")

WAIT_S = 10.0
"""How long the status of a call that has ended is waited for: gRPC has received it, and hands it on."""


class ServerStatus:
    """The status that the server sent at the end of a call with a stream of requests.

    A message that can no longer be sent, as the call has ended, makes gRPC put a status of its own in the place of the
    server's, whichever comes first. The server's says what was wrong.
    """

    def __init__(self, call: Any) -> None:
        self._sent: asyncio.Future[grpc.aio.AioRpcError | None] = asyncio.get_running_loop().create_future()
        call.add_done_callback(self._note)

    def _note(self, call: Any) -> None:
        # It may be another one as soon as the event loop goes on.
        code, details, metadata = map(_at_once, (call.code(), call.details(), call.trailing_metadata()))
        error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, details=details)
        if not self._sent.done() and not ended_while_sending(error):
            self._sent.set_result(None if code is grpc.StatusCode.OK else error)

    async def behind(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """The server's error where `error` is gRPC's own; else `error`."""
        if not ended_while_sending(error):
            return error
        await asyncio.wait([self._sent], timeout=WAIT_S)
        return (self._sent.result() if self._sent.done() else None) or error


def _at_once(answer: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that need not wait."""
    try:
        answer.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    answer.close()
    raise AssertionError("the call has no status yet")

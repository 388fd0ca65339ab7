"""The asynchronous core under both clients: one channel, and what every call needs."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from nextlabel.client.errors import ClosedError, cut_off, may_resume, nextlabel_error, raise_from
from nextlabel.client.transport.channel import Tls, open_channel
from nextlabel.client.transport.references import CallHeaders
from nextlabel.client.transport.statuses import ServerStatus
from nextlabel.client.transport.threads import ThreadReader
from nextlabel.v1.project_service_pb2 import GetProjectRequest
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceStub

LONG_CALL_S = 600.0
"""Default deadline in seconds of calls that compute on the server: training, selecting, evaluating."""

_BEING_EMBEDDED = "AWAITING_EMBEDDING"
"""The reason of a refusal that passes by itself: the server is at work on what is missing."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which server to call and how. Times are in seconds."""

    server: str
    token: str | None = None
    tls: Tls | None = None
    timeout_s: float = 30.0


class _Page(Protocol):
    next_page_token: str


class _PageRequest(Protocol):
    page_token: str


Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
PageRequest = TypeVar("PageRequest", bound=_PageRequest)
Page = TypeVar("Page", bound=_Page)
Element = TypeVar("Element")


class Backoff:
    """Waits between attempts to reach the server again, until `attempts` in a row brought no progress.

    The 18 attempts take about a minute: time enough for a server to restart.
    """

    def __init__(self, pause: Callable[[float], Awaitable[None]], *, attempts: int = 18, first_s: float = 0.1) -> None:
        self._pause = pause
        self._attempts = attempts
        self._first_s = first_s
        self._failures = 0

    def progressed(self) -> None:
        """Something arrived: the next failure is the first one again."""
        self._failures = 0

    async def wait_or_raise(self, error: grpc.aio.AioRpcError, server: str, reference: str) -> None:
        """Wait before the next attempt; raise when `error` is final or has come too often.

        The server may ask for a longer wait, in an answer that it is overloaded too.
        """
        self._failures += 1
        failure = nextlabel_error(error, server, reference)
        again = may_resume(error) or failure.retry_after_s is not None
        if not again or self._failures >= self._attempts:
            raise failure from None
        longest = min(5.0, self._first_s * 2**self._failures)
        jittered = random.uniform(longest / 2, longest)  # noqa: S311  (not a secret)
        await self._pause(max(jittered, failure.retry_after_s or 0.0))


class Connection:
    """One channel to one server, opened on the event loop of the first call unless one is given."""

    def __init__(
        self,
        target: Target,
        *,
        channel: grpc.aio.Channel | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.target = target
        self._given = channel
        self.is_closed = False
        self._pause = pause
        self._annotation_types: dict[str, int] = {}

    @cached_property
    def channel(self) -> grpc.aio.Channel:
        """The channel. Ask for it inside a coroutine only: it belongs to the running loop."""
        self.check_open()
        return self._given or open_channel(self.target.server, self.target.tls)

    async def close(self) -> None:
        """Close the channel, cancelling what is under way. Raises ClosedError from whatever is called after it."""
        self.is_closed = True
        if "channel" in self.__dict__:
            await self.__dict__.pop("channel").close()

    def check_open(self) -> None:
        """Raise ClosedError when the connection was closed."""
        if self.is_closed:
            raise ClosedError

    def headers(self) -> CallHeaders:
        """What goes with a new call."""
        return CallHeaders(self.target.token)

    def backoff(self) -> Backoff:
        """A fresh backoff for a stream that resumes."""
        return Backoff(self._pause)

    async def unary(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        timeout_s: float | None = None,
    ) -> Response:
        """Call a unary method once, repeated while the server is unavailable and where one that ended has cut it off.

        What waits for embeddings is asked for again, as often as the server says, until `timeout_s` is over: a server
        that has just been started loads its model first, or downloads it. A mutating request gets its `request_id`
        here, so that a repeated attempt changes nothing twice.
        """
        self.check_open()
        if "request_id" in request.DESCRIPTOR.fields_by_name:
            request.request_id = str(uuid.uuid4())  # type: ignore[attr-defined]
        timeout_s = self.target.timeout_s if timeout_s is None else timeout_s
        headers = self.headers()
        clock = asyncio.get_running_loop()
        until = clock.time() + timeout_s
        backoff = self.backoff()
        while True:
            try:
                return await method(request, timeout=until - clock.time(), metadata=headers.metadata)
            except grpc.aio.AioRpcError as error:
                if cut_off(error) and not self.is_closed:
                    await backoff.wait_or_raise(error, self.target.server, headers.reference)
                    continue
                failure = nextlabel_error(error, self.target.server, headers.reference)
                pause_s = failure.retry_after_s if failure.reason == _BEING_EMBEDDED else None
                if pause_s is None or clock.time() + pause_s >= until:
                    raise failure from None
            await self._pause(pause_s)

    async def pages(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[PageRequest, Page]",
        request: PageRequest,
        elements: Callable[[Page], Sequence[Element]],
    ) -> AsyncIterator[Sequence[Element]]:
        """The elements of a list call, a page at a time, each fetched when it is asked for."""
        while True:
            page: Page = await self.unary(method, request)  # type: ignore[type-var]
            yield elements(page)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def responses(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[Request, Response],
        request: Request,
        *,
        advance: Callable[[Response], None] | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[Response]]:
        """The responses of a server stream, which may last as long as it likes; leaving the block ends the call.

        `advance` moves `request` past a response; with it, a stream that was cut off goes on from there.
        """
        return aclosing(self._responses(method, request, advance))

    async def _responses(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[Request, Response],
        request: Request,
        advance: Callable[[Response], None] | None,
    ) -> AsyncGenerator[Response, None]:
        self.check_open()
        backoff, headers = self.backoff(), self.headers()
        while True:
            call = method(request, metadata=headers.metadata)
            try:
                async for response in call:
                    if advance is not None:
                        advance(response)
                        backoff.progressed()
                    yield response
                return
            except grpc.aio.AioRpcError as error:
                if advance is None:
                    raise_from(error, self.target.server, headers.reference)
                await backoff.wait_or_raise(error, self.target.server, headers.reference)
            finally:
                call.cancel()

    def exchange(
        self, method: grpc.aio.StreamStreamMultiCallable[Request, Response], requests: Iterator[Request]
    ) -> AbstractAsyncContextManager[AsyncIterator[Response]]:
        """The responses to a stream of requests, which are made in a thread while responses come in.

        Leaving the block ends the call.
        """
        return aclosing(self._exchange(method, requests))

    async def _exchange(
        self, method: grpc.aio.StreamStreamMultiCallable[Request, Response], requests: Iterator[Request]
    ) -> AsyncGenerator[Response, None]:
        self.check_open()
        sender, headers = _Sender(requests), self.headers()
        call = method(sender, metadata=headers.metadata)
        status = ServerStatus(call)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise_from(await status.behind(error), self.target.server, headers.reference)
        except asyncio.CancelledError:
            sender.raise_source_error()
            raise
        finally:
            call.cancel()
            await sender.close()

    async def client_stream(
        self,
        method: grpc.aio.StreamUnaryMultiCallable[Request, Response],
        requests: Iterator[Request],
        *,
        timeout_s: float,
    ) -> Response:
        """The response to a stream of requests, which are made in a thread."""
        self.check_open()
        sender, headers = _Sender(requests), self.headers()
        call = method(sender, timeout=timeout_s, metadata=headers.metadata)
        status = ServerStatus(call)
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise_from(await status.behind(error), self.target.server, headers.reference)
        except asyncio.CancelledError:
            sender.raise_source_error()
            raise
        finally:
            await sender.close()

    async def annotation_type(self, project: str) -> int:
        """What the items of a project ask for; it never changes, so that it is asked for once."""
        if project not in self._annotation_types:
            stub: Any = ProjectServiceStub(self.channel)
            response = await self.unary(stub.GetProject, GetProjectRequest(project=project))
            self._annotation_types[project] = response.project.annotation_type
        return self._annotation_types[project]

    def forget_project(self, project: str) -> None:
        """Forget what is known of a project that was deleted: another one may get its name."""
        self._annotation_types.pop(project, None)


class _Sender(AsyncIterator[Request]):
    """The requests of a stream. An error of their source makes gRPC cancel the call; it is kept for the caller.

    gRPC asks for them in a task of its own, and forgets it when the server ends the call: `close` ends it.
    """

    def __init__(self, requests: Iterator[Request]) -> None:
        self._reader = ThreadReader(requests, ahead=2)
        self._source_error: Exception | None = None
        self._asking: asyncio.Task[Any] | None = None
        self._is_closed = False

    async def __anext__(self) -> Request:
        self._asking = asyncio.current_task()
        try:
            request = None if self._is_closed else await self._reader.next()
        except Exception as error:
            self._source_error = error
            raise
        if request is None:
            raise StopAsyncIteration
        return request

    def raise_source_error(self) -> None:
        if self._source_error is not None:
            raise self._source_error

    async def close(self) -> None:
        self._is_closed = True
        self._reader.abandon()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

"""One description of every call, and the two ways to make it.

The methods of a service are written once, as coroutines (`@call`) and as async generators of chunks (`@stream`).
What a caller sees depends on the mode of the client: under `Awaiting` they stay what they are, under `Blocking`
they run on an event loop in a thread of the client. The descriptors tell type checkers the same.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Sequence
from functools import update_wrapper
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from nextlabel.client.transport.connection import Connection

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Awaiting:
    """Calls return awaitables and async iterators, on the caller's event loop."""

    def call(self, method: Callable[..., Coroutine[Any, Any, R]]) -> Callable[..., Coroutine[Any, Any, R]]:
        """The method as it is."""
        return method

    def stream(self, method: Callable[..., AsyncIterator[Sequence[T]]]) -> Callable[..., AsyncGenerator[T, None]]:
        """The method, its chunks flattened."""

        async def flattened(*args: Any, **kwargs: Any) -> AsyncGenerator[T, None]:
            async for chunk in method(*args, **kwargs):
                for element in chunk:
                    yield element

        return update_wrapper(flattened, method)


class Blocking:
    """Calls return results and iterators; an event loop in a daemon thread makes them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nextlabel-client", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run the coroutine on the loop and wait for it; an interrupt of the wait cancels it."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a callback of the blocking client cannot call the client: it would wait for itself")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what is under way, and stop the loop and its thread."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, method: Callable[..., Coroutine[Any, Any, R]]) -> Callable[..., R]:
        """The method, waited for."""

        def waited(*args: Any, **kwargs: Any) -> R:
            return self.run(method(*args, **kwargs))

        return update_wrapper(waited, method)

    def stream(self, method: Callable[..., AsyncIterator[Sequence[T]]]) -> Callable[..., Generator[T, None, None]]:
        """The method as an iterator. One hop between threads brings a chunk, not an element."""

        def iterated(*args: Any, **kwargs: Any) -> Generator[T, None, None]:
            chunks = method(*args, **kwargs)
            try:
                while (chunk := self.run(_next_or_none(chunks))) is not None:
                    yield from chunk
            finally:
                if not self._loop.is_closed():
                    self.run(_close(chunks))

        return update_wrapper(iterated, method)


async def _next_or_none(chunks: AsyncIterator[T]) -> T | None:
    return await anext(chunks, None)


async def _close(chunks: AsyncIterator[Any]) -> None:
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


Mode = TypeVar("Mode", Awaiting, Blocking)


class Service(Generic[Mode]):
    """The calls of one service, made over a shared connection."""

    def __init__(self, connection: Connection, mode: Mode) -> None:
        self._connection = connection
        self._mode: Mode = mode

    @property
    def mode(self) -> Mode:
        """How the calls are made."""
        return self._mode


class call(Generic[P, R]):  # noqa: N801  (a decorator, like property)
    """Declares a unary call: a coroutine method that a blocking client waits for."""

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        self._function = function
        update_wrapper(self, function)  # type: ignore[arg-type]

    @overload
    def __get__(self, service: None, owner: type) -> Self: ...
    @overload
    def __get__(self, service: Service[Blocking], owner: type) -> Callable[P, R]: ...
    @overload
    def __get__(self, service: Service[Awaiting], owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, service: Service[Any] | None, owner: type) -> Any:
        return self if service is None else service.mode.call(MethodType(self._function, service))


class stream(Generic[P, T]):  # noqa: N801  (a decorator, like property)
    """Declares a call that returns many elements: an async generator method of chunks of them."""

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncIterator[Sequence[T]]]) -> None:
        self._function = function
        update_wrapper(self, function)  # type: ignore[arg-type]

    @overload
    def __get__(self, service: None, owner: type) -> Self: ...
    @overload
    def __get__(self, service: Service[Blocking], owner: type) -> Callable[P, Generator[T, None, None]]: ...
    @overload
    def __get__(self, service: Service[Awaiting], owner: type) -> Callable[P, AsyncGenerator[T, None]]: ...
    def __get__(self, service: Service[Any] | None, owner: type) -> Any:
        return self if service is None else service.mode.stream(MethodType(self._function, service))

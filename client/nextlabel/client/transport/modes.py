"""The two ways to make a call: awaited on the caller's event loop, or waited for on one of the client's own."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Sequence
from contextlib import aclosing
from functools import update_wrapper
from typing import Any, TypeVar

from nextlabel.client.errors import ClosedError

R = TypeVar("R")
T = TypeVar("T")


class Awaiting:
    """Calls return awaitables and async iterators, on the caller's event loop."""

    def call(self, method: Callable[..., Coroutine[Any, Any, R]]) -> Callable[..., Coroutine[Any, Any, R]]:
        """The method as it is."""
        return method

    def stream(
        self, method: Callable[..., AsyncGenerator[Sequence[T], None]]
    ) -> Callable[..., AsyncGenerator[T, None]]:
        """The method, its chunks flattened."""

        async def flattened(*args: Any, **kwargs: Any) -> AsyncGenerator[T, None]:
            async with aclosing(method(*args, **kwargs)) as chunks:
                async for chunk in chunks:
                    for element in chunk:
                        yield element

        return update_wrapper(flattened, method)


class Blocking:
    """Calls return results and iterators; an event loop in a daemon thread makes them.

    Given a `loop`, the one that runs here, it makes the calls of other threads, and is never to be closed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        if loop is not None:
            self._loop, self._thread = loop, threading.current_thread()
            return
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nextlabel-client", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run the coroutine on the loop and wait for it; an interrupt of the wait cancels it."""
        if self._loop.is_closed():
            coroutine.close()
            raise ClosedError
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
        """Cancel what is under way, and stop the loop and its thread; nothing when that was done before."""
        if self._loop.is_closed():
            return
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

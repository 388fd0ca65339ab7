"""Blocking iteration beside an event loop."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    pass


class ThreadReader(Generic[T]):
    """Reads a blocking iterator in a thread of its own, at most `ahead` elements in advance.

    The thread is a daemon: a read from a terminal or pipe that never returns does not keep the process alive.
    Make it inside a coroutine: it belongs to the running loop.
    """

    def __init__(self, source: Iterator[T], *, ahead: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[T | _Failed | _End] = asyncio.Queue()
        self._free = threading.Semaphore(ahead)
        self._source = source
        self._abandoned = threading.Event()
        self._ended: _Failed | _End | None = None
        threading.Thread(target=self._read, name="nextlabel-source", daemon=True).start()

    async def next(self) -> T | None:
        """The next element, None after the last one; raises what the source raised.

        Cancelling it loses no element.
        """
        if self._ended is None:
            element = await self._queue.get()
            self._free.release()
            if not isinstance(element, _Failed | _End):
                return element
            self._ended = element
        if isinstance(self._ended, _Failed):
            raise self._ended.error
        return None

    def abandon(self) -> None:
        """Read no further than the element that is being read now."""
        self._abandoned.set()
        self._free.release()
        while not self._queue.empty():
            self._queue.get_nowait()

    def _read(self) -> None:
        try:
            for element in self._source:
                if not self._put(element):
                    return
            self._put(_End())
        except Exception as error:  # noqa: BLE001  (whatever it is, the reader gets it)
            self._put(_Failed(error))

    def _put(self, element: T | _Failed | _End) -> bool:
        """Hand an element over; False when nobody reads on."""
        self._free.acquire()
        if self._abandoned.is_set():
            return False
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, element)
        except RuntimeError:  # the loop is closed
            return False
        return True

"""One writer thread: units of work that wait together are committed together, with one fsync.

Each unit runs in its own savepoint, so a failing one takes nothing with it. Results are delivered after the commit;
a caller that was cancelled meanwhile just does not get its own.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.errors import Unavailable

MAX_GROUP = 64
"""Units in one transaction: bounds how long the first of a group waits for the last."""

Work = Callable[[Transaction], Any]


class Committer(Protocol):
    """The connection that the thread owns. Only its calls raise database errors, already translated."""

    def begin(self) -> None:
        """Start a transaction."""
        ...

    def run(self, work: Work) -> Any:
        """Run one unit; when it raises, undo what it did and nothing else.

        Raises:
            TransactionLost: the database gave up the whole transaction.
        """
        ...

    def commit(self) -> None:
        """Make the transaction durable; when this raises, nothing of it is kept."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class TransactionLost(Exception):  # noqa: N818  (carries the error to report, is none itself)
    """The database rolled back all units of the group; ``cause`` is what their callers get."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__(str(cause))


@dataclass(slots=True)
class _Unit:
    work: Work
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupCommitWriter:
    """Runs units of work of any number of callers on one thread and one connection."""

    def __init__(self, connect: Callable[[], Committer]) -> None:
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._committer = connect()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="state-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Work) -> Any:
        """Run one unit; return its result once it is durable.

        Raises:
            Unavailable: the writer is closed.
        """
        if self._closed:
            raise Unavailable("the store is closed: the server is shutting down", reason="SHUTTING_DOWN")
        loop = asyncio.get_running_loop()
        unit = _Unit(work, loop, loop.create_future())
        self._queue.put(unit)
        return await unit.future

    def close(self) -> None:
        """Commit what is queued and end the thread. Blocks; calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            more = self._commit(group)
            _deliver(group)
            if not more:
                break
        self._committer.close()

    def _commit(self, group: list[_Unit]) -> bool:
        """Run and commit ``group``, which grows by what arrives meanwhile; False when the end was met."""
        more = True
        try:
            self._committer.begin()
            for unit in group:
                self._run(unit)
                if more and len(group) < MAX_GROUP:
                    more = self._take_waiting(group)
            self._committer.commit()
        except TransactionLost as lost:
            _fail(group, lost.cause)
        except Exception as error:  # noqa: BLE001  (the thread must outlive any error; the callers get it)
            _fail(group, error)
        return more

    def _run(self, unit: _Unit) -> None:
        try:
            unit.result = self._committer.run(unit.work)
        except TransactionLost:
            raise
        except StopIteration as error:
            unit.error = RuntimeError("the unit of work raised StopIteration, which no future can carry")
            unit.error.__cause__ = error
        except Exception as error:  # noqa: BLE001  (delivered to the caller after the commit)
            unit.error = error

    def _take_waiting(self, group: list[_Unit]) -> bool:
        try:
            waiting = self._queue.get_nowait()
        except queue.Empty:
            return True
        if waiting is None:
            return False
        group.append(waiting)
        return True


def _fail(group: list[_Unit], error: Exception) -> None:
    for unit in group:
        unit.error = error


def _deliver(group: list[_Unit]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Unit]] = {}
    for unit in group:
        by_loop.setdefault(unit.loop, []).append(unit)
    for loop, units in by_loop.items():
        # A loop that was closed meanwhile has nobody waiting on it.
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, units)


def _settle(units: list[_Unit]) -> None:
    for unit in units:
        unit.settle()

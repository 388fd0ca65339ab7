"""Units of work that wait together are committed together, with one fsync.

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
    """The connection of a group. Only its calls raise database errors, already translated."""

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
class Unit:
    """A unit of work with the future that its caller waits for."""

    work: Work
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    @classmethod
    def of(cls, work: Work) -> Unit:
        """Return a unit that somebody waits for in the running event loop."""
        loop = asyncio.get_running_loop()
        return cls(work, loop, loop.create_future())

    def settle(self) -> None:
        """Give the caller what came of it. Runs in the caller's loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupCommitWriter:
    """Runs units of work of any number of callers on one thread and one connection."""

    def __init__(self, connect: Callable[[], Committer]) -> None:
        self._queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._committer = connect()
        self._closed = False
        self._ended = False
        self._thread = threading.Thread(target=self._serve, name="state-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Work) -> Any:
        """Run one unit; return its result once it is durable.

        Raises:
            Unavailable: the writer is closed.
        """
        if self._closed:
            raise Unavailable("the store is closed: the server is shutting down", reason="SHUTTING_DOWN")
        unit = Unit.of(work)
        self._queue.put(unit)
        return await unit.future

    def close(self) -> None:
        """Commit what is queued and end the thread. Blocks; calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _serve(self) -> None:
        while not self._ended and (first := self._queue.get()) is not None:
            group = [first]
            commit_together(self._committer, group, self._waiting)
            deliver(group)
        self._committer.close()

    def _waiting(self) -> Unit | None:
        if self._ended:
            return None
        try:
            waiting = self._queue.get_nowait()
        except queue.Empty:
            return None
        self._ended = waiting is None
        return waiting


def commit_together(committer: Committer, group: list[Unit], waiting: Callable[[], Unit | None]) -> None:
    """Run and commit ``group``, which grows by what is ``waiting`` meanwhile."""
    try:
        committer.begin()
        for unit in group:
            _run(committer, unit)
            if len(group) < MAX_GROUP and (more := waiting()) is not None:
                group.append(more)
        committer.commit()
    except TransactionLost as lost:
        _fail(group, lost.cause)
    except Exception as error:  # noqa: BLE001  (the thread must outlive any error; the callers get it)
        _fail(group, error)


def _run(committer: Committer, unit: Unit) -> None:
    try:
        unit.result = committer.run(unit.work)
    except TransactionLost:
        raise
    except StopIteration as error:
        unit.error = RuntimeError("the unit of work raised StopIteration, which no future can carry")
        unit.error.__cause__ = error
    except Exception as error:  # noqa: BLE001  (delivered to the caller after the commit)
        unit.error = error


def _fail(group: list[Unit], error: Exception) -> None:
    for unit in group:
        unit.error = error


def deliver(group: list[Unit]) -> None:
    """Give every caller of a group what came of its unit."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Unit]] = {}
    for unit in group:
        by_loop.setdefault(unit.loop, []).append(unit)
    for loop, units in by_loop.items():
        # A loop that was closed meanwhile has nobody waiting on it.
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, units)


def _settle(units: list[Unit]) -> None:
    for unit in units:
        unit.settle()

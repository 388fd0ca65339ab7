"""Kills a server at its commits: once right before and once right after each kind of commit.

Both stores of a server are wrapped. A point is known by what asked for the commit; the points that have killed are kept
in a file that outlives the process, so that a client that insists comes through in the end.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import override

from nextlabel.server.api.boundary.calls import current_call
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.wiring import foundation

T = TypeVar("T")

_POOL_CHANGES = ("append_items", "append_embeddings", "recover", "delete", "compact", "drop")


class FailPoints:
    """The points that have killed so far."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.touch()

    def met(self) -> list[str]:
        """Return the points in the order in which they killed."""
        return self._file.read_text().splitlines()

    def reach(self, point: str) -> None:
        """End this process without notice, the first time that a point is reached."""
        if point not in self.met():
            with self._file.open("a") as file:
                file.write(f"{point}\n")
            os.kill(os.getpid(), signal.SIGKILL)


def arm(points: FailPoints) -> None:
    """Make the server that is going to start in this process reach its points."""

    def open_store(*args: Any, **options: Any) -> StateStore:
        return _FailingStore(open_state_store(*args, **options), points)

    def open_pool(*args: Any, **options: Any) -> _FailingPool:
        return _FailingPool(LancePoolStore(*args, **options), points)

    failing = {"open_state_store": open_store, "LancePoolStore": open_pool}
    if not failing.keys() <= vars(foundation).keys():
        raise AssertionError("stores are opened elsewhere now: nothing would fail")
    vars(foundation).update(failing)


class _FailingStore(StateStore):
    def __init__(self, store: StateStore, points: FailPoints) -> None:
        self._store = store
        self._points = points

    @override
    async def write(self, work: Callable[[Transaction], T], *, project: ProjectId | None = None) -> T:
        commit = _name_of(work)

        def unit(tx: Transaction) -> T:
            result = work(tx)
            self._points.reach(f"before {commit}")
            return result

        result = await self._store.write(unit, project=project)
        self._points.reach(f"after {commit}")
        return result

    @override
    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._store.read(work)

    @override
    def exclusive(self, name: str) -> AbstractAsyncContextManager[bool]:
        return self._store.exclusive(name)

    @override
    async def close(self) -> None:
        await self._store.close()


class _FailingPool:
    """A PoolStore that reaches a point before and after everything that changes files."""

    def __init__(self, pool: LancePoolStore, points: FailPoints) -> None:
        self._pool = pool
        self._points = points

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._pool, name)
        if name not in _POOL_CHANGES:
            return found

        @wraps(found)
        def change(*args: Any, **options: Any) -> Any:
            self._points.reach(f"before pool {name}")
            result = found(*args, **options)
            self._points.reach(f"after pool {name}")
            return result

        return change


def _name_of(work: Callable[..., Any]) -> str:
    """Name a unit of work: by the call that it is for, or by the function that made it."""
    made_by = work.func if isinstance(work, partial) else work
    unit = made_by.__qualname__.replace(".<locals>", "").replace(".<lambda>", "")
    try:
        return f"{current_call().method.rpartition('/')[2]} {unit}"
    except LookupError:
        return unit

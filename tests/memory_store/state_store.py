"""The StateStore as plain dicts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from typing_extensions import override

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.ids import ProjectId
from tests.memory_store.access import MemoryAccess
from tests.memory_store.advice import MemoryAdvice
from tests.memory_store.budgets import MemoryBudgets
from tests.memory_store.contents import Contents
from tests.memory_store.filters import MemoryFilters
from tests.memory_store.labeling import MemoryLabeling
from tests.memory_store.learning import MemoryModels, MemoryRuns
from tests.memory_store.pool import MemoryPool
from tests.memory_store.projects import MemoryProjects

T = TypeVar("T")


class MemoryTransaction:
    """All tables over the same contents; a :class:`nextlabel.server.ports.state_store.Transaction`."""

    def __init__(self, contents: Contents) -> None:
        self.projects = MemoryProjects(contents)
        self.pool = MemoryPool(contents)
        self.labeling = MemoryLabeling(contents)
        self.advice = MemoryAdvice(contents)
        self.filters = MemoryFilters(contents)
        self.models = MemoryModels(contents)
        self.runs = MemoryRuns(contents)
        self.budgets = MemoryBudgets(contents)
        self.access = MemoryAccess(contents)


class MemoryStateStore(StateStore):
    """Units of work run one after the other, right in the event loop; a failing one is undone from a copy."""

    def __init__(self) -> None:
        self._contents = Contents()
        self._transaction = MemoryTransaction(self._contents)
        self._held: set[str] = set()

    @override
    async def write(self, work: Callable[[Transaction], T], *, project: ProjectId | None = None) -> T:
        before = self._contents.snapshot()
        try:
            return work(self._transaction)
        except BaseException:
            self._contents.restore(before)
            raise

    @override
    async def read(self, work: Callable[[Transaction], T]) -> T:
        return work(self._transaction)

    @override
    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[bool]:
        got = name not in self._held
        self._held.add(name)
        try:
            yield got
        finally:
            if got:
                self._held.discard(name)

    @override
    async def close(self) -> None:
        """There is nothing to release."""

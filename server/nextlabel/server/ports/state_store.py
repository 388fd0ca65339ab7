"""Durable state.

A unit of work is a plain function over a :class:`Transaction`; the store runs it off the event loop and either keeps
all of it, durably, or nothing. Such a function may be run again after a conflict, so it must have no other effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

from nextlabel.server.ports.tables.access import AccessTable
from nextlabel.server.ports.tables.advice import AdviceTable
from nextlabel.server.ports.tables.budgets import BudgetTable
from nextlabel.server.ports.tables.filters import FilterTable
from nextlabel.server.ports.tables.labeling import LabelingTable
from nextlabel.server.ports.tables.models import ModelTable
from nextlabel.server.ports.tables.pool import PoolTable
from nextlabel.server.ports.tables.projects import ProjectTable
from nextlabel.server.ports.tables.runs import RunTable
from nextlabel.server.values.ids import ProjectId

T = TypeVar("T")

_TRY_AGAIN_S = 0.02


class Transaction(Protocol):
    """One unit of work over all tables."""

    @property
    def projects(self) -> ProjectTable:
        """Projects and guidelines."""
        ...

    @property
    def pool(self) -> PoolTable:
        """Rows, uploads, references."""
        ...

    @property
    def labeling(self) -> LabelingTable:
        """Batches, leases, annotations."""
        ...

    @property
    def advice(self) -> AdviceTable:
        """Advice about items."""
        ...

    @property
    def filters(self) -> FilterTable:
        """Filters of labels, and items kept in spite of them."""
        ...

    @property
    def models(self) -> ModelTable:
        """Model versions."""
        ...

    @property
    def runs(self) -> RunTable:
        """Runs and events."""
        ...

    @property
    def budgets(self) -> BudgetTable:
        """Limits, reservations, the ledger, paid answers."""
        ...

    @property
    def access(self) -> AccessTable:
        """Tokens and stored replies."""
        ...


class StateStore(Protocol):
    """Durable state; the only arbiter of what happened (invariant 1)."""

    async def write(self, work: Callable[[Transaction], T], *, project: ProjectId | None = None) -> T:
        """Run ``work`` in a transaction; when this returns, its effects survive a power cut.

        An exception of ``work`` rolls everything back and is raised here. Who says which ``project`` it is about
        lets it be committed together with others about it: for short work that many do at once.
        """
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on a consistent snapshot; it must not write."""
        ...

    def exclusive(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Try to hold a named lock across all server processes; the value says whether it was got."""
        ...

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        """Hold a named lock across all server processes; waits until it is free."""
        while True:
            async with self.exclusive(name) as mine:
                if mine:
                    yield
                    return
            await asyncio.sleep(_TRY_AGAIN_S)

    async def close(self) -> None:
        """Finish pending work and release the database."""
        ...

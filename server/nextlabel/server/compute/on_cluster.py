"""Work that is done elsewhere where it can be, and otherwise here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from nextlabel.server.compute.threads import Threads
from nextlabel.server.ports.cluster import Elsewhere, NotComputed
from nextlabel.server.ports.system import Executor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OnCluster:
    """Implements `Executor`: threads of ``waiting`` wait for ``elsewhere``, ``here`` does what is not done there.

    Cancelling the caller ends what is done elsewhere.
    """

    elsewhere: Elsewhere
    waiting: Threads
    here: Executor

    async def run(self, work: Callable[[], T]) -> T:
        """Return the work's result.

        Raises:
            Unavailable: there is no cluster, and this process may not work in its stead.
        """
        left = threading.Event()
        try:
            return await self.waiting.run(lambda: self.elsewhere.compute(work, lambda: not left.is_set()))
        except NotComputed:
            return await self.here.run(work)
        except asyncio.CancelledError:
            left.set()
            raise

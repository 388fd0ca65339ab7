"""Work that goes on behind the calls: watched, begun again when it fails, and ended in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

Report = Callable[[BaseException], None]
Work = Callable[[Report], Awaitable[None]]

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
# Work that has not complained for so long is well again.
_REMEMBERED_S = 60.0


class Background:
    """Keeps pieces of work going, each under a name.

    Work goes on until it is cancelled. What it can live with it reports; when it raises or returns, it is reported and
    begun again after a pause that doubles with each failure in a row.
    """

    def __init__(
        self,
        on_failure: Callable[[str, BaseException], None],
        *,
        first_pause_s: float = _FIRST_PAUSE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_failure = on_failure
        self._first_pause_s = first_pause_s
        self._monotonic = monotonic
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._stopping = False

    @property
    def failures(self) -> dict[str, int]:
        """How often each piece of work has failed since the start."""
        return {name: self._failures.get(name, 0) for name in self._tasks}

    @property
    def failing(self) -> list[str]:
        """What has failed within the last minute."""
        now = self._monotonic()
        return sorted(name for name, then in self._failed_at.items() if now - then < _REMEMBERED_S)

    def start(self, name: str, work: Work) -> None:
        """Begin a piece of work."""
        self._tasks[name] = asyncio.create_task(self._keep_going(name, work), name=name)

    async def stop(self) -> None:
        """Cancel all work and return when it has ended, however it ends."""
        self._stopping = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _keep_going(self, name: str, work: Work) -> None:
        pause = self._first_pause_s
        while True:
            began = self._monotonic()
            try:
                await work(lambda error: self._failed(name, error))
                self._failed(name, RuntimeError(f"background work {name} ended by itself"))
            except Exception as error:  # noqa: BLE001 -- whatever ends the work, it is begun again
                self._failed(name, error)
            if self._stopping:  # the cancellation has become an error of the work
                return
            if self._monotonic() - began > _REMEMBERED_S:
                pause = self._first_pause_s
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _failed(self, name: str, error: BaseException) -> None:
        self._failed_at[name] = self._monotonic()
        self._failures[name] = self._failures.get(name, 0) + 1
        self._on_failure(name, error)

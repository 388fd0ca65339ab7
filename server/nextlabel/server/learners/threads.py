"""A bound on the threads that numerical libraries use while a model trains, so that serving keeps a core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController, threadpool_limits


class TrainingThreads:
    """Counts the trainings under way and holds the process-wide BLAS limit while there is one.

    The limit is global to the process: nested save-and-restore from several threads could leave it in place for
    good, so only the first training sets it and only the last one restores it.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = Lock()
        self._active = 0
        self._libraries: ThreadpoolController | None = None
        self._limiter: threadpool_limits | None = None

    @contextmanager
    def bounded(self, limit: int | None = None) -> Iterator[None]:
        """Holds the limit inside the block: another process's, where that is given, or this one's."""
        self._enter(limit or self.limit)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, limit: int) -> None:
        with self._lock:
            self._active += 1
            if self._limiter is None:
                self._limiter = self._found_libraries().limit(limits=limit)

    def _found_libraries(self) -> ThreadpoolController:
        if self._libraries is None:  # looking for them takes longer than a small training
            from threadpoolctl import ThreadpoolController

            self._libraries = ThreadpoolController()
        return self._libraries

    def _leave(self) -> None:
        with self._lock:
            self._active -= 1
            if self._active == 0 and self._limiter is not None:
                self._limiter.restore_original_limits()
                self._limiter = None


TRAINING_THREADS = TrainingThreads(limit=max(1, (os.cpu_count() or 1) // 2))

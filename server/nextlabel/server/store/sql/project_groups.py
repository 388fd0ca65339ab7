"""Units of work about one project that wait together are committed together, on the threads of a pool.

What many annotators do at once in one project waits for the project's one lock anyway, each holding it over a commit.
Together they hold it once, and commit once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nextlabel.server.store.sql.group_commit import Committer, Unit, Work, commit_together, deliver
from nextlabel.server.values.ids import ProjectId


class ProjectGroups:
    """One group at a time for each project; a project without work costs nothing.

    ``connect`` opens what a project's groups run on. A unit whose error is one of ``conflicts`` met what is locked by
    others who wait for its group: it is run ``alone``, when the group is over.
    """

    def __init__(
        self,
        threads: ThreadPoolExecutor,
        connect: Callable[[ProjectId], Committer],
        alone: Callable[[Work], Any],
        conflicts: tuple[type[Exception], ...],
    ) -> None:
        self._threads = threads
        self._connect = connect
        self._alone = alone
        self._conflicts = conflicts
        self._lock = threading.Lock()
        self._waiting: dict[ProjectId, deque[Unit]] = {}

    async def write(self, project: ProjectId, work: Work) -> Any:
        """Run one unit; return its result once it is durable."""
        unit = Unit.of(work)
        with self._lock:
            waiting = self._waiting.get(project)
            if waiting is None:
                waiting = deque([unit])
                self._threads.submit(self._serve, project, waiting)
                self._waiting[project] = waiting
            else:
                waiting.append(unit)
        return await unit.future

    def _serve(self, project: ProjectId, waiting: deque[Unit]) -> None:
        """Commit one group, and have the next one committed when its turn comes."""
        group = [waiting.popleft()]
        committer = self._connect(project)
        commit_together(committer, group, lambda: waiting.popleft() if waiting else None)
        committer.close()
        met = [unit for unit in group if isinstance(unit.error, self._conflicts)]
        deliver([unit for unit in group if unit not in met])
        for unit in met:
            self._run_alone(unit)
        deliver(met)
        with self._lock:
            if not waiting:
                del self._waiting[project]
                return
        try:
            self._threads.submit(self._serve, project, waiting)
        except RuntimeError:
            # The pool ends with the work that it has; what waits here is part of it.
            self._serve(project, waiting)

    def _run_alone(self, unit: Unit) -> None:
        unit.error = None
        try:
            unit.result = self._alone(unit.work)
        except Exception as error:  # noqa: BLE001  (delivered to the caller)
            unit.error = error

"""What runs in the processes of the cluster. Nothing of Ray's is imported here: Ray wraps the class."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

KEPT_JOBS = 4
"""Work that a process keeps unpickled; a few passes go on at a time."""


def this_version() -> str:
    """Say what must be equal at both ends for pickles to mean the same."""
    return f"nextlabel {version('nextlabel')}"


class PartWorker:
    """Computes on parts; keeps the work of the last few jobs, and with it the model and the pool that it has opened."""

    def __init__(self, fetch: Callable[[Any], bytes]) -> None:
        self._fetch = fetch
        self._works: OrderedDict[str, Callable[[Any], Any]] = OrderedDict()

    def ping(self) -> tuple[str, int]:
        """Return the version of this end and the process id."""
        return this_version(), os.getpid()

    def run(self, job: str, work: list[Any], part: bytes) -> tuple[bool, bytes]:
        """Return True and the pickled result, or False and what went wrong.

        ``work`` holds a reference to the pickled work, in a list so that it is fetched once a job and not once a part.
        """
        try:
            return True, pickle.dumps(self._work(job, work)(pickle.loads(part)), protocol=5)  # noqa: S301
        except Exception as error:  # noqa: BLE001 -- whatever it is, the server computes this part and meets it itself
            return False, f"{type(error).__name__}: {error}".encode()

    def _work(self, job: str, work: list[Any]) -> Callable[[Any], Any]:
        if job not in self._works:
            self._works[job] = pickle.loads(self._fetch(work[0]))  # noqa: S301
            if len(self._works) > KEPT_JOBS:
                self._works.popitem(last=False)
        return self._works[job]

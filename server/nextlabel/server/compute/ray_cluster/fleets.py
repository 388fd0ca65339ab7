"""Which processes of a cluster do a job: those that all jobs share, or one that does nothing else meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from nextlabel.server.compute.ray_cluster.fleet import Fleet, UnfitCluster

_LOOK_S = 1.0


class Fleets:
    """Lends fleets to jobs. Safe to use from several threads.

    Of the processes that do one job at a time there are as many as of those that ``processors`` are taken by, at most.
    """

    def __init__(self, workers: int | None) -> None:
        self.processors = Fleet(workers)
        self._gpus = Fleet(None, "gpus")
        self._idle: list[Fleet] = []
        self._lent = 0
        self._change = threading.Condition()

    @contextmanager
    def lent(self, by: Literal["processors", "gpus", "one"], alive: Callable[[], None]) -> Iterator[Fleet]:
        """Lend a fleet for the time of the block; ``alive`` is called about once a second until there is one.

        A block that fails has not waited for its process: what that is at is ended with it, unless it has not begun.
        """
        if by != "one":
            yield self._gpus if by == "gpus" and self._gpus.grow() else self.processors
            return
        fleet = self._single(alive)
        try:
            yield fleet
        except UnfitCluster:
            self._take_back(fleet)
            raise
        except BaseException:
            fleet.end()
            self._take_back(None)
            raise
        self._take_back(fleet)

    def _single(self, alive: Callable[[], None]) -> Fleet:
        limit = max(1, self.processors.grow())
        while True:
            with self._change:
                if self._lent < limit:
                    self._lent += 1
                    return self._idle.pop() if self._idle else Fleet(1, "beside")
                self._change.wait(_LOOK_S)
            alive()

    def _take_back(self, fleet: Fleet | None) -> None:
        with self._change:
            self._lent -= 1
            if fleet is not None:
                self._idle.append(fleet)
            self._change.notify()

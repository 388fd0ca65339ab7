"""Work in other processes or on other machines: on the parts of something large, or a whole that takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


class Cluster(Protocol):
    """Computes on parts side by side. Blocking: call it from worker threads."""

    @property
    def width(self) -> int:
        """How many parts are computed on at once; 1 while there is nobody to help."""
        ...

    def map(
        self,
        work: Callable[[Part], Result],
        parts: Sequence[Part],
        homes: Sequence[int] = (),
        *,
        on_gpus: bool = False,
    ) -> Iterator[Result]:
        """Yield ``work(part)`` of every part, in order, whoever computes it and whoever dies meanwhile.

        ``work`` and parts must pickle; ``work`` may run more than once for a part. Parts of equal ``homes`` go to the
        same process, time after time, if it can be. ``on_gpus`` prefers processes that have a GPU.

        Raises:
            Unavailable: there is no cluster, and this process may not compute in its stead.
        """
        ...


class NotComputed(Exception):  # noqa: N818 -- what happened
    """Nobody else could do the work; whoever asked does it. The message says why."""


class Elsewhere(Protocol):
    """Does one piece of work at a time in a process of its own. Blocking: call it from threads that may wait."""

    def compute(self, work: Callable[[], Result], wanted: Callable[[], bool]) -> Result:
        """Return ``work()``, which must pickle, and may run more than once when processes die.

        ``wanted`` is asked about once a second; once it says no, the work is ended.

        Raises:
            NotComputed: no process could do it, or it cannot travel, or it is not wanted any more.
            Unavailable: there is nobody, and this process may not do it in their stead.
        """
        ...

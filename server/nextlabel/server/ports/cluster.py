"""Work on the parts of something large, in other processes or on other machines."""

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

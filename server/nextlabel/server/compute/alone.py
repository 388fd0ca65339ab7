"""The cluster of whoever has none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from typing_extensions import override

from nextlabel.server.ports.cluster import Cluster

Part = TypeVar("Part")
Result = TypeVar("Result")

THREADS = 2
"""Parts computed on at once in this process: as many as tiles of a pass."""


class Alone(Cluster):
    """Computes on all parts in this process."""

    @property
    @override
    def width(self) -> int:
        return 1

    @override
    def map(
        self, work: Callable[[Part], Result], parts: Sequence[Part], homes: Sequence[int] = (), *, on_gpus: bool = False
    ) -> Iterator[Result]:
        if len(parts) < 2:
            yield from map(work, parts)
            return
        with ThreadPoolExecutor(THREADS, "nextlabel-part") as executor:
            running: deque[Future[Result]] = deque()
            for part in parts:
                running.append(executor.submit(work, part))
                if len(running) > THREADS:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()

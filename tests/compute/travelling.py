"""A cluster within this process, to and from which everything travels pickled."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nextlabel.server.ports.cluster import Cluster


class Travelling(Cluster):
    """Keeps the parts it was given."""

    def __init__(self, width: int = 2) -> None:
        self.parts: list[Any] = []
        self._width = width

    @property
    def width(self) -> int:
        return self._width

    def map(
        self, work: Callable[[Any], Any], parts: Sequence[Any], homes: Sequence[int] = (), *, on_gpus: bool = False
    ) -> Iterator[Any]:
        there = pickle.loads(pickle.dumps(work))
        for part in parts:
            self.parts.append(part)
            yield pickle.loads(pickle.dumps(there(pickle.loads(pickle.dumps(part)))))

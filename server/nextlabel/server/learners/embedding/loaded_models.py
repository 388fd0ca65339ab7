"""Which encoders are in memory: they are large, and a server may have more of them than fit."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

Model = TypeVar("Model")


class LoadedModels(Generic[Model]):
    """Models by name, each loaded at its first use; one too many takes the place of that used longest ago.

    For threads. Who uses a model that has to leave keeps it until it is done with it.

    Args:
        most: how many models to keep.
    """

    def __init__(self, most: int = 1) -> None:
        self._models: LRUCache[str, Model] = LRUCache(most)
        self._lock = Lock()
        # Models of transformers cannot be loaded by two threads at once. Those that are there are had meanwhile.
        self._loading = Lock()

    def get(self, name: str, load: Callable[[], Model]) -> Model:
        """Return a model; the first of those who ask for it loads it."""
        found = self._present(name)
        if found is not None:
            return found
        with self._loading:
            found = self._present(name)
            if found is None:
                self._make_room()
                found = load()
                with self._lock:
                    self._models[name] = found
            return found

    def _present(self, name: str) -> Model | None:
        with self._lock:
            return self._models.get(name)

    def _make_room(self) -> None:
        """Drop a model before the next is loaded, so that never one more than allowed is in memory."""
        with self._lock:
            if len(self._models) >= self._models.maxsize:
                self._models.popitem()

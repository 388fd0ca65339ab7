"""Embeddings of recent texts, so that the same data in several projects is embedded once."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Protocol

import numpy as np
import xxhash
from cachetools import LRUCache
from numpy.typing import NDArray

CAPACITY = 65_536


class TextEmbedder(Protocol):
    """Turns texts into vectors."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Which weights it has, as `weights.fingerprint`; '' where no files say it. The first call may take seconds."""
        ...

    def embed(self, texts: Sequence[str], *, urgent: bool = False) -> NDArray[np.float16]:
        """Return an (n, dimension) matrix of unit rows; urgent texts go ahead of others."""
        ...


class CachingEmbedder:
    """A `TextEmbedder` that remembers the last 65,536 vectors of another one (48 MiB at 384 dimensions)."""

    def __init__(self, embedder: TextEmbedder, capacity: int = CAPACITY) -> None:
        self._embedder = embedder
        self._recent: LRUCache[bytes, NDArray[np.float16]] = LRUCache(capacity)
        self._lock = Lock()

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._embedder.name

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._embedder.dimension

    @property
    def fingerprint(self) -> str:
        """Which weights the model has."""
        return self._embedder.fingerprint

    def embed(self, texts: Sequence[str], *, urgent: bool = False) -> NDArray[np.float16]:
        """Return an (n, dimension) matrix of unit rows; each distinct new text is computed once."""
        keys = [xxhash.xxh3_128_digest(text.encode()) for text in texts]
        known = self._known(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            computed = self._embedder.embed(list(missing.values()), urgent=urgent)
            known.update(zip(missing, computed, strict=True))
            self._remember(list(missing), computed)
        matrix = np.empty((len(texts), self.dimension), np.float16)
        for row, key in enumerate(keys):
            matrix[row] = known[key]
        return matrix

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float16]]:
        found = {}
        with self._lock:
            for key in keys:
                vector = self._recent.get(key)
                if vector is not None:
                    found[key] = vector
        return found

    def _remember(self, keys: Sequence[bytes], vectors: NDArray[np.float16]) -> None:
        with self._lock:
            for key, vector in zip(keys, vectors, strict=True):
                # A copy, so that one kept row does not keep its whole batch alive.
                self._recent[key] = vector.copy()

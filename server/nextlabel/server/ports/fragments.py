"""Embeddings of a pool in fragments, which other processes can open for themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from nextlabel.server.ports.pool_store import EmbeddingBlock, Rows
from nextlabel.server.values.ids import EmbeddingsId


class StoredEmbeddings(Protocol):
    """One version of a project's embeddings. It pickles, and equal ones are the same version."""

    def scan(self, start: int, stop: int) -> Iterator[EmbeddingBlock]:
        """Stream the rows at positions ``start … stop - 1`` of the stable order."""
        ...


@dataclass(frozen=True, slots=True)
class Fragments:
    """Where the rows of a project's embeddings lie.

    Attributes:
        embeddings: opens them elsewhere.
        sizes: rows of each fragment, in the stable order.
        rows_at: pool rows at positions ``start … stop - 1`` of that order.
    """

    embeddings: StoredEmbeddings
    sizes: Sequence[int]
    rows_at: Callable[[int, int], Rows]


class FragmentedStore(Protocol):
    """A PoolStore that other processes can read from."""

    def fragments(self, of: EmbeddingsId) -> AbstractContextManager[Fragments | None]:
        """Hold the newest version of the embeddings against clean-up within the block; None when there are none."""
        ...

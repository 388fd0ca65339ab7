"""A large pool without its disk: the rows of a small one, listed several times over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from typing_extensions import override

from nextlabel.server.ports.fragments import Fragments, StoredEmbeddings
from nextlabel.server.ports.pool_store import EmbeddingBlock, Float16Matrix, StoredItem
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.values.ids import EmbeddingsId, ProjectId


@dataclass(frozen=True, slots=True)
class RepeatedEmbeddings:
    """Some ``rows`` embeddings, time after time; the copies have row numbers of their own."""

    once: StoredEmbeddings
    rows: int

    def scan(self, start: int, stop: int) -> Iterator[EmbeddingBlock]:
        """See StoredEmbeddings.scan."""
        while start < stop:
            copy, first = divmod(start, self.rows)
            last = min(self.rows, first + stop - start)
            for block in self.once.scan(first, last):
                yield EmbeddingBlock(block.rows_n + copy * self.rows, block.embeddings_nD)
            start += last - first


class RepeatedPool(LancePoolStore):
    """A pool whose ``rows`` rows, written in their order, are there ``times`` times."""

    def __init__(self, folder: Path, rows: int, times: int = 1) -> None:
        super().__init__(str(folder))
        self._rows = rows
        self._times = times

    @override
    @contextmanager
    def fragments(self, of: EmbeddingsId) -> Iterator[Fragments | None]:
        with super().fragments(of) as once:
            if once is None:
                yield None
                return
            sizes = list(once.sizes) * self._times
            yield Fragments(RepeatedEmbeddings(once.embeddings, self._rows), sizes, np.arange)

    @override
    def scan_embeddings(self, of: EmbeddingsId, block_rows: int = 16_384) -> Iterator[EmbeddingBlock]:
        with self.fragments(of) as stored:
            if stored is not None:
                yield from stored.embeddings.scan(0, self._rows * self._times)

    @override
    def items(self, project: ProjectId, rows: Sequence[int]) -> Sequence[StoredItem]:
        wanted_n = np.asarray(rows)
        found = super().items(project, (wanted_n % self._rows).tolist())
        return [
            replace(item, row=row, item_id=f"{item.item_id}-{row // self._rows}")
            for item, row in zip(found, wanted_n.tolist(), strict=True)
        ]

    @override
    def embeddings(self, of: EmbeddingsId, rows: Sequence[int]) -> Float16Matrix:
        return super().embeddings(of, (np.asarray(rows) % self._rows).tolist())

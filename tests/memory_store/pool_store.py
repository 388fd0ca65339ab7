"""The PoolStore as plain dicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from nextlabel.server.ports.pool_store import (
    EmbeddingBlock,
    Float16Matrix,
    KeyBlock,
    NewItems,
    PoolStore,
    Rows,
    StoredItem,
)
from nextlabel.server.values.errors import InvalidArgument, NotFound
from nextlabel.server.values.ids import EmbeddingsId, ProjectId, project_of


@dataclass
class _Project:
    items: dict[int, tuple[StoredItem, np.uint64]] = field(default_factory=dict)


@dataclass
class _Embeddings:
    vectors: dict[int, npt.NDArray[np.float16]] = field(default_factory=dict)
    dimension: int | None = None


class MemoryPoolStore(PoolStore):
    """Keeps items and vectors by row; durable as long as the process."""

    def __init__(self) -> None:
        self._projects: dict[ProjectId, _Project] = {}
        self._embeddings: dict[EmbeddingsId, _Embeddings] = {}

    @override
    def append_items(self, project: ProjectId, first_row: int, items: NewItems) -> None:
        columns = zip(items.item_ids, items.texts, items.metadata, items.content_hashes, strict=True)
        for row, (item_id, text, metadata, content_hash) in enumerate(columns, first_row):
            self._of(project).items[row] = (StoredItem(row, item_id, text, metadata), content_hash)

    @override
    def append_embeddings(self, of: EmbeddingsId, rows_n: Rows, embeddings_nD: Float16Matrix) -> None:
        made, dimension = self._by(of), embeddings_nD.shape[1]
        if made.dimension not in (None, dimension):
            raise InvalidArgument.field(
                "embeddings.dimension", f"the project's embeddings have {made.dimension} dimensions, got {dimension}"
            )
        if len(rows_n):
            made.dimension = dimension
        for row, vector in zip(rows_n.tolist(), embeddings_nD, strict=True):
            made.vectors.pop(row, None)
            made.vectors[row] = vector.copy()

    @override
    def recover(self, of: EmbeddingsId, committed_rows: int, embedded: Sequence[tuple[int, int]]) -> int:
        items = self._of(project_of(of)).items
        orphans = [row for row in items if row >= committed_rows]
        for row in orphans:
            del items[row]
        return len(orphans) + self.keep_embeddings(of, embedded)

    @override
    def keep_embeddings(self, of: EmbeddingsId, rows: Sequence[tuple[int, int]]) -> int:
        vectors = self._by(of).vectors
        others = [row for row in vectors if not any(f <= row < f + n for f, n in rows)]
        for row in others:
            del vectors[row]
        return len(others)

    @override
    def refresh(self, of: EmbeddingsId) -> None:
        """There are no other processes."""

    @override
    def items(self, project: ProjectId, rows: Sequence[int]) -> Sequence[StoredItem]:
        known = self._of(project).items
        return [known[row][0] for row in rows if row in known]

    @override
    def scan_keys(self, project: ProjectId, first_row: int = 0) -> Iterator[KeyBlock]:
        known = self._of(project).items
        rows = sorted(row for row in known if row >= first_row)
        if rows:
            hashes = np.array([known[row][1] for row in rows], np.uint64)
            yield KeyBlock(np.array(rows), [known[row][0].item_id for row in rows], hashes)

    @override
    def scan_items(self, project: ProjectId, first_row: int, stop_row: int) -> Iterator[StoredItem]:
        known = self._of(project).items
        yield from (known[row][0] for row in sorted(known) if first_row <= row < stop_row)

    @override
    def scan_embeddings(self, of: EmbeddingsId, block_rows: int = 16_384) -> Iterator[EmbeddingBlock]:
        remaining = iter(list(self._by(of).vectors.items()))
        while block := list(islice(remaining, block_rows)):
            yield EmbeddingBlock(np.array([row for row, _ in block]), np.stack([vector for _, vector in block]))

    @override
    def embeddings(self, of: EmbeddingsId, rows: Sequence[int]) -> Float16Matrix:
        made = self._by(of)
        missing = [row for row in rows if row not in made.vectors]
        if missing:
            raise NotFound("embedding", str(missing[0]), message=f"row {missing[0]} has no embedding yet")
        return (
            np.stack([made.vectors[r] for r in rows]) if len(rows) else np.empty((0, made.dimension or 0), np.float16)
        )

    @override
    def embedded_rows(self, of: EmbeddingsId) -> int:
        return len(self._by(of).vectors)

    @override
    def delete(self, of: EmbeddingsId, rows: Iterable[int]) -> None:
        for row in rows:
            self._of(project_of(of)).items.pop(row, None)
            self._by(of).vectors.pop(row, None)

    @override
    def compact(self, of: EmbeddingsId) -> None:
        """Nothing is kept of what was deleted."""

    @override
    def damaged_files(self, of: EmbeddingsId) -> Sequence[str]:
        return []

    @override
    def drop_embeddings(self, of: EmbeddingsId) -> None:
        self._embeddings.pop(of, None)

    @override
    def drop(self, project: ProjectId) -> None:
        self._projects.pop(project, None)
        for of in [of for of in self._embeddings if project_of(of) == project]:
            del self._embeddings[of]

    def _by(self, of: EmbeddingsId) -> _Embeddings:
        return self._embeddings.setdefault(of, _Embeddings())

    def _of(self, project: ProjectId) -> _Project:
        return self._projects.setdefault(project, _Project())

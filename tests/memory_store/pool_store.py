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
from nextlabel.server.values.ids import ProjectId


@dataclass
class _Project:
    items: dict[int, tuple[StoredItem, np.uint64]] = field(default_factory=dict)
    vectors: dict[int, npt.NDArray[np.float16]] = field(default_factory=dict)
    dimension: int | None = None


class MemoryPoolStore(PoolStore):
    """Keeps items and vectors by row; durable as long as the process."""

    def __init__(self) -> None:
        self._projects: dict[ProjectId, _Project] = {}

    @override
    def append_items(self, project: ProjectId, first_row: int, items: NewItems) -> None:
        columns = zip(items.item_ids, items.texts, items.metadata, items.content_hashes, strict=True)
        for row, (item_id, text, metadata, content_hash) in enumerate(columns, first_row):
            self._of(project).items[row] = (StoredItem(row, item_id, text, metadata), content_hash)

    @override
    def append_embeddings(self, project: ProjectId, rows_n: Rows, embeddings_nD: Float16Matrix) -> None:
        of, dimension = self._of(project), embeddings_nD.shape[1]
        if of.dimension not in (None, dimension):
            raise InvalidArgument.field(
                "embeddings.dimension", f"the project's embeddings have {of.dimension} dimensions, got {dimension}"
            )
        if len(rows_n):
            of.dimension = dimension
        for row, vector in zip(rows_n.tolist(), embeddings_nD, strict=True):
            of.vectors.pop(row, None)
            of.vectors[row] = vector.copy()

    @override
    def recover(self, project: ProjectId, committed_rows: int, embedded: Sequence[tuple[int, int]]) -> int:
        of = self._of(project)
        orphans = [row for row in of.items if row >= committed_rows]
        unembedded = [row for row in of.vectors if not any(f <= row < f + n for f, n in embedded)]
        for row in orphans:
            del of.items[row]
        for row in unembedded:
            del of.vectors[row]
        return len(orphans) + len(unembedded)

    @override
    def refresh(self, project: ProjectId) -> None:
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
    def scan_embeddings(self, project: ProjectId, block_rows: int = 16_384) -> Iterator[EmbeddingBlock]:
        remaining = iter(list(self._of(project).vectors.items()))
        while block := list(islice(remaining, block_rows)):
            yield EmbeddingBlock(np.array([row for row, _ in block]), np.stack([vector for _, vector in block]))

    @override
    def embeddings(self, project: ProjectId, rows: Sequence[int]) -> Float16Matrix:
        of = self._of(project)
        missing = [row for row in rows if row not in of.vectors]
        if missing:
            raise NotFound("embedding", str(missing[0]), message=f"row {missing[0]} has no embedding yet")
        return np.stack([of.vectors[r] for r in rows]) if len(rows) else np.empty((0, of.dimension or 0), np.float16)

    @override
    def embedded_rows(self, project: ProjectId) -> int:
        return len(self._of(project).vectors)

    @override
    def delete(self, project: ProjectId, rows: Iterable[int]) -> None:
        of = self._of(project)
        for row in rows:
            of.items.pop(row, None)
            of.vectors.pop(row, None)

    @override
    def compact(self, project: ProjectId) -> None:
        """Nothing is kept of what was deleted."""

    @override
    def damaged_files(self, project: ProjectId) -> Sequence[str]:
        return []

    @override
    def drop(self, project: ProjectId) -> None:
        self._projects.pop(project, None)

    def _of(self, project: ProjectId) -> _Project:
        return self._projects.setdefault(project, _Project())

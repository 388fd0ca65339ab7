"""Texts and embeddings of pools, kept as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nextlabel.server.values.ids import EmbeddingsId, ProjectId
from nextlabel.server.values.pairs import TextPair, fields_in, pair_in

Rows = npt.NDArray[np.int64]


Float16Matrix = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as the pool keeps it. ``metadata`` is JSON text, with the pair of one that has one; '' for neither."""

    row: int
    item_id: str
    text: str
    metadata: str

    @property
    def pair(self) -> TextPair | None:
        """The two texts to compare; None where there is one text only."""
        return pair_in(self.metadata)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The metadata by field."""
        return fields_in(self.metadata)


@dataclass(frozen=True, slots=True)
class NewItems:
    """Columns of items to append, all of one length. Hashes are unsigned 64-bit."""

    item_ids: Sequence[str]
    texts: Sequence[str]
    metadata: Sequence[str]
    content_hashes: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """Identity of n consecutive stored items."""

    rows_n: Rows
    item_ids: Sequence[str]
    content_hashes_n: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class EmbeddingBlock:
    """Embeddings of n pool rows."""

    rows_n: Rows
    embeddings_nD: Float16Matrix


class PoolStore(Protocol):
    """Texts and embeddings of every project's pool. Blocking: call it from worker threads.

    A project has embeddings of one model, and for a while beside them those of another that takes over.
    """

    def append_items(self, project: ProjectId, first_row: int, items: NewItems) -> None:
        """Append items as rows ``first_row …``; durable when this returns, visible once the StateStore says so."""
        ...

    def append_embeddings(self, of: EmbeddingsId, rows_n: Rows, embeddings_nD: Float16Matrix) -> None:
        """Append embeddings of rows, of one model; durable when this returns.

        Raises:
            InvalidArgument: the dimension differs from that of the embeddings that are there.
        """
        ...

    def recover(self, of: EmbeddingsId, committed_rows: int, embedded: Sequence[tuple[int, int]]) -> int:
        """Remove orphans of a crash: items at or above ``committed_rows``, embeddings outside ``embedded``.

        ``embedded`` holds (first row, row count) ranges. Returns how many rows were removed.
        """
        ...

    def refresh(self, of: EmbeddingsId) -> None:
        """See what other processes have appended."""
        ...

    def items(self, project: ProjectId, rows: Sequence[int]) -> Sequence[StoredItem]:
        """Return items in the order of ``rows``; deleted or unknown rows are left out."""
        ...

    def scan_keys(self, project: ProjectId, first_row: int = 0) -> Iterator[KeyBlock]:
        """Stream the identities of rows ``first_row …`` in row order."""
        ...

    def scan_items(self, project: ProjectId, first_row: int, stop_row: int) -> Iterator[StoredItem]:
        """Stream items of a range of rows in row order."""
        ...

    def scan_embeddings(self, of: EmbeddingsId, block_rows: int = 16_384) -> Iterator[EmbeddingBlock]:
        """Stream all embeddings in a stable order, in blocks of at most ``block_rows``; memory stays flat."""
        ...

    def embeddings(self, of: EmbeddingsId, rows: Sequence[int]) -> Float16Matrix:
        """Return embeddings in the order of ``rows``.

        Raises:
            NotFound: a row has no embedding.
        """
        ...

    def embedded_rows(self, of: EmbeddingsId) -> int:
        """Return the number of rows with an embedding."""
        ...

    def delete(self, of: EmbeddingsId, rows: Iterable[int]) -> None:
        """Remove texts of rows, and their embeddings by one model, physically by the next compaction at the latest."""
        ...

    def compact(self, of: EmbeddingsId) -> None:
        """Merge small fragments into ones of about 65,536 rows and drop old versions."""
        ...

    def damaged_files(self, of: EmbeddingsId) -> Sequence[str]:
        """Read a project's files; return the names, in its folder, of those that are not as they were written.

        Of files without a checksum nothing is known: they are left out.

        Raises:
            DataLoss: a file is missing or damaged, so that it cannot be read.
            Unavailable: a file cannot be read.
        """

    def keep_embeddings(self, of: EmbeddingsId, rows: Sequence[tuple[int, int]]) -> int:
        """Remove the embeddings outside of some (first row, row count) ranges; return how many."""
        ...

    def drop_embeddings(self, of: EmbeddingsId) -> None:
        """Remove the embeddings of one model, which nobody reads any more.

        Raises:
            OSError: something of them is left.
        """
        ...

    def drop(self, project: ProjectId) -> None:
        """Remove everything of a project.

        Raises:
            OSError: something of it is left.
        """
        ...

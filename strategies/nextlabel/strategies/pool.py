"""The pool as strategies see it: numbered rows with embeddings, streamed in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Array, Rows, like
from nextlabel.strategies.errors import PoolError


@dataclass(frozen=True, slots=True)
class Block:
    """``n`` consecutive rows of a pool.

    Attributes:
        rows_n: int64 row numbers, shape (n,), unique within the pool. A row number names a row for
            good; a *position* (0 … N-1 in streaming order) is never called a row.
        embeddings_nD: shape (n, D), float16, float32 or (torch) bfloat16.
    """

    rows_n: Rows
    embeddings_nD: Array

    def __len__(self) -> int:
        return len(self.rows_n)


class Pool(Protocol):
    """A streamed set of rows. Every pass yields the same rows in the same order."""

    def __len__(self) -> int:
        """Return N, the number of rows."""
        ...

    def blocks(self) -> Iterator[Block]:
        """Yield all rows once, in blocks of any size."""
        ...

    def take(self, rows: Rows) -> Array:
        """Return the embeddings of these rows in the order asked, shape (len(rows), D)."""
        ...

    def item_ids(self, rows: Rows) -> Sequence[str]:
        """Return the item ids of these rows in the order asked; used to break ties."""
        ...


class ArrayPool:
    """A pool over one array in memory, NumPy or torch.

    Args:
        embeddings_ND: shape (N, D).
        rows: row numbers, shape (N,), unique; 0 … N-1 when left out.
        item_ids: one id a row; without them ties break by row number.
        block_rows: rows a block; selection does not depend on it.

    Raises:
        PoolError: the shapes disagree or a row number repeats.
    """

    def __init__(
        self,
        embeddings_ND: Array,
        *,
        rows: Rows | None = None,
        item_ids: Sequence[str] | None = None,
        block_rows: int = 65_536,
    ) -> None:
        if len(embeddings_ND.shape) != 2:
            raise PoolError(f"embeddings: shape {tuple(embeddings_ND.shape)}; must be (rows, dimension)")
        n = int(embeddings_ND.shape[0])
        self._embeddings_ND = embeddings_ND
        self._rows_N = np.arange(n, dtype=np.int64) if rows is None else np.asarray(rows, dtype=np.int64)
        if self._rows_N.shape != (n,):
            raise PoolError(f"rows: shape {self._rows_N.shape}; must be ({n},), one a row of embeddings")
        if item_ids is not None and len(item_ids) != n:
            raise PoolError(f"item_ids: {len(item_ids)} ids for {n} rows; one a row is needed")
        if block_rows < 1:
            raise PoolError(f"block_rows: {block_rows}; must be at least 1")
        self._order: Rows | None = None if rows is None else np.argsort(self._rows_N, kind="stable")
        if self._order is not None and np.any(np.diff(self._rows_N[self._order]) == 0):
            raise PoolError("rows: a row number repeats; they must be unique")
        self._item_ids = item_ids
        self._block_rows = block_rows

    def __len__(self) -> int:
        return len(self._rows_N)

    def blocks(self) -> Iterator[Block]:
        """Yield views of the array, never copies."""
        for start in range(0, len(self), self._block_rows):
            stop = start + self._block_rows
            yield Block(self._rows_N[start:stop], self._embeddings_ND[start:stop])

    def take(self, rows: Rows) -> Array:
        """Return a copy of these rows' embeddings."""
        positions = self._positions(rows)
        if isinstance(self._embeddings_ND, np.ndarray):
            return self._embeddings_ND[positions]
        return self._embeddings_ND[like(positions, self._embeddings_ND)]

    def item_ids(self, rows: Rows) -> Sequence[str]:
        """Return the given ids, or zero-padded row numbers, which sort as numbers do."""
        if self._item_ids is None:
            return [f"{row:020d}" for row in rows]
        return [self._item_ids[position] for position in self._positions(rows)]

    def _positions(self, rows: Rows) -> Rows:
        if self._order is None:
            return rows
        found = np.searchsorted(self._rows_N, rows, sorter=self._order)
        positions: Rows = self._order[np.minimum(found, len(self) - 1)]
        if not np.array_equal(self._rows_N[positions], rows):
            raise PoolError("rows: a row number asked for is not in the pool")
        return positions

"""Passes over a pool whose parts lie, and are computed on, in several places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from nextlabel.strategies.arithmetic.arrays import Rows
from nextlabel.strategies.passes.tiles import map_tiles
from nextlabel.strategies.pool import Block, Pool

Result = TypeVar("Result")

ONE_THREAD = 1
"""Threads of the pass over a part: parts are computed side by side already."""


@runtime_checkable
class PoolInParts(Pool, Protocol):
    """A pool that has its parts computed on elsewhere, for instance on the machines that hold them.

    Parts are cut where tiles are cut, at multiples of the tile height in the stream, so that a pass over all parts
    sees the same tiles as one over the pool, and finds the same to the bit.
    """

    def row_numbers(self) -> Iterator[Rows]:
        """Yield all row numbers in stream order, without reading embeddings."""
        ...

    def without(self, rows: Rows) -> Pool:
        """Return the pool without these rows."""
        ...

    def map_parts(self, work: Callable[[Pool], Result]) -> Iterator[Result]:
        """Yield ``work(part)`` of every part, in stream order.

        ``work`` is pickled, may run more than once for a part and in any order, and may use only the part's
        ``len`` and ``blocks``.
        """
        ...


@dataclass(frozen=True, slots=True)
class EachTile:
    """Work on a part: what ``compute`` makes of each of its tiles. Pickles if ``compute`` does."""

    compute: Callable[[Block], object]

    def __call__(self, part: Pool) -> list[object]:
        """Return the results in stream order."""
        return list(map_tiles(part, lambda tile: self.compute(tile.block), ONE_THREAD))


def map_blocks(pool: Pool, compute: Callable[[Block], Result]) -> Iterator[Result]:
    """Yield ``compute`` of the rows of every tile, in stream order, wherever the pool's parts are.

    ``compute`` must pickle, and is called from several threads or processes at once.
    """
    if isinstance(pool, PoolInParts):
        for results in pool.map_parts(EachTile(compute)):
            yield from results  # type: ignore[misc]
    else:
        yield from map_tiles(pool, lambda tile: compute(tile.block))


def row_numbers(pool: Pool) -> Iterator[Rows]:
    """Yield all row numbers in stream order."""
    if isinstance(pool, PoolInParts):
        yield from pool.row_numbers()
    else:
        for block in pool.blocks():
            yield block.rows_n

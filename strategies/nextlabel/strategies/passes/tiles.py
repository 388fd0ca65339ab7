"""A pass over the pool in tiles that fit the cache, on a few threads, in order.

Tiles are cut at fixed positions of the stream, whatever blocks the pool yields: BLAS may round a row
differently in a matrix of another height, and selection must not depend on block sizes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from nextlabel.strategies.arithmetic.arrays import Array, on_cpu
from nextlabel.strategies.arithmetic.blas import single_threaded_blas
from nextlabel.strategies.pool import Block, Pool

TILE_ROWS = 4096
"""Rows of a NumPy tile: 384 float32 dimensions make 6 MB, and the logits of 77 classes stay in L2/L3."""

TORCH_TILE_ROWS = 16_384
"""Rows of a torch tile on the CPU: its operators start threads of their own, which smaller ones do not repay."""

DEVICE_TILE_ROWS = 65_536
"""Rows of a tile on an accelerator: large enough to hide kernel launches."""

THREADS = 2
"""Threads of one pass; a service runs passes beside other work."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Tile:
    """Rows ``start … start + len(block)`` of the stream."""

    start: int
    block: Block

    @property
    def stop(self) -> int:
        """Position after the last row."""
        return self.start + len(self.block)


def tiles(pool: Pool) -> Iterator[Tile]:
    """Cut the pool's stream at multiples of the tile height; views where a block covers the tile."""
    start = held = 0
    waiting: list[Block] = []
    for block in pool.blocks():
        height = _height(block.embeddings_nD)
        offset = 0
        while offset < len(block):
            part = _rows_of(block, offset, offset + height - held)
            waiting.append(part)
            offset += len(part)
            held += len(part)
            if held == height:
                yield Tile(start, _joined(waiting))
                start += height
                held, waiting = 0, []
    if waiting:
        yield Tile(start, _joined(waiting))


def map_tiles(pool: Pool, compute: Callable[[Tile], Result], threads: int = THREADS) -> Iterator[Result]:
    """Yield ``compute(tile)`` for every tile, in stream order, with a bounded number in flight.

    ``compute`` runs on several threads at once for NumPy pools, each with one BLAS thread; it must not
    share state between tiles other than disjoint slices of arrays. Tiles of other libraries run one
    after the other, as those libraries bring their own parallelism, and so do those of one thread.
    """
    stream = tiles(pool)
    first = next(stream, None)
    if first is None:
        return
    if not is_numpy_array(first.block.embeddings_nD) or first.stop == len(pool):
        yield compute(first)
        yield from map(compute, stream)
        return
    if threads == 1:
        with single_threaded_blas():
            yield compute(first)
            yield from map(compute, stream)
        return
    with single_threaded_blas(), ThreadPoolExecutor(threads, "nextlabel-tile") as executor:
        running: deque[Future[Result]] = deque([executor.submit(compute, first)])
        for tile in stream:
            running.append(executor.submit(compute, tile))
            if len(running) > 2 * threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _height(embeddings_nD: Array) -> int:
    if not on_cpu(embeddings_nD):
        return DEVICE_TILE_ROWS
    return TILE_ROWS if is_numpy_array(embeddings_nD) else TORCH_TILE_ROWS


def _rows_of(block: Block, start: int, stop: int) -> Block:
    return Block(block.rows_n[start:stop], block.embeddings_nD[start:stop])


def _joined(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    xp = array_namespace(parts[0].embeddings_nD)
    return Block(
        np.concatenate([part.rows_n for part in parts]),
        xp.concat([part.embeddings_nD for part in parts], axis=0),
    )

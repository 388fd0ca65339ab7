"""Score a float16 pool on disk that is never loaded whole: seconds and peak memory of a selection.

    python -m benchmarks.speed.scan_10m --n 10000000 --d 384 --strategy margin --batch 100 --folder /tmp/scan

Needs n × d × 2 bytes of disk (7.7 GB for the numbers above); the file is deleted at the end. Prints one JSON line.
`cold_s` is a pass after the file's pages were dropped from the page cache, `warm_s` the pass after it; both passes
read the file in blocks through plain reads, so that the memory of the process is its own. `peak_mb` is the
highest resident memory of the process during the passes, Python and its libraries included (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nextlabel.strategies import Block, LinearHead, SelectionContext, get_strategy

BLOCK_ROWS = 16_384


class FilePool:
    """Rows of a raw float16 matrix in a file, read block by block."""

    def __init__(self, path: Path, dimension: int) -> None:
        self._path = path
        self._dimension = dimension
        self._rows = path.stat().st_size // (2 * dimension)

    def __len__(self) -> int:
        return self._rows

    def blocks(self) -> Iterator[Block]:
        """Every block is an array of its own: tiles of it may still be in work when the next one is read."""
        with self._path.open("rb", buffering=0) as file:
            for start in range(0, self._rows, BLOCK_ROWS):
                rows = min(BLOCK_ROWS, self._rows - start)
                matrix = np.empty((rows, self._dimension), np.float16)
                read_fully(file.fileno(), matrix.data.cast("B"), start * 2 * self._dimension)
                yield Block(np.arange(start, start + rows, dtype=np.int64), matrix)

    def take(self, rows: np.ndarray) -> np.ndarray:
        matrix = np.memmap(self._path, np.float16, "r", shape=(self._rows, self._dimension))
        return np.asarray(matrix[rows])

    def item_ids(self, rows: np.ndarray) -> Sequence[str]:
        return [f"{row:020d}" for row in rows]


def read_fully(descriptor: int, into: memoryview, offset: int) -> None:
    """A read returns at most 2 GiB, and may return less than asked for."""
    done = 0
    while done < len(into):
        done += os.preadv(descriptor, [into[done:]], offset + done)


def write_pool(path: Path, rows: int, dimension: int) -> None:
    """Unit vectors: one random block over and over, its columns rotated and its sign turned, so that rows differ."""
    rng = np.random.default_rng(0)
    block = rng.standard_normal((BLOCK_ROWS, dimension), np.float32)
    block = (block / np.linalg.norm(block, axis=1, keepdims=True)).astype(np.float16)
    with path.open("wb") as file:
        for number, start in enumerate(range(0, rows, BLOCK_ROWS)):
            rotated = np.roll(block, number, axis=1) * np.float16(1 - 2 * (number // dimension % 2))
            file.write(rotated[: rows - start].tobytes())
        file.flush()
        os.fsync(file.fileno())


def drop_cached_pages(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def reset_peak() -> None:
    """Make the memory resident now the highest so far (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000_000)
    parser.add_argument("--d", type=int, default=384)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--strategy", default="margin")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()

    rng = np.random.default_rng(1)
    head = LinearHead.from_decision(rng.normal(size=(options.classes, options.d)) * 4, np.zeros(options.classes))
    strategy, context = get_strategy(options.strategy), SelectionContext(predictor=head)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "pool.f16"
        write_pool(path, options.n, options.d)
        small = Path(folder) / "small.f16"
        write_pool(small, 4 * BLOCK_ROWS, options.d)
        strategy.select(FilePool(small, options.d), options.batch, context)
        drop_cached_pages(path)
        reset_peak()
        seconds = []
        for _ in range(2):
            started = time.perf_counter()
            picked = strategy.select(FilePool(path, options.d), options.batch, context)
            seconds.append(round(time.perf_counter() - started, 2))
        result = {
            **{key: getattr(options, key) for key in ("strategy", "n", "d", "classes", "batch")},
            "file_gb": round(path.stat().st_size / 1e9, 2),
            "cold_s": seconds[0],
            "warm_s": seconds[1],
            "peak_mb": round(peak_mb(), 1),
            "picked": len(picked),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

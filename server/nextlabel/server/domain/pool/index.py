"""Which item ids a pool holds, in 24 bytes an item.

Ids are kept as 64-bit hashes in sorted arrays, so that ten million items fit where a dictionary of strings would take
gigabytes. Two different ids of one pool share a hash with a probability of about n² / 2⁶⁵ (3·10⁻⁶ at ten million).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xxhash

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

_RECENT = 65_536


def hash_texts(texts: Sequence[str]) -> Hashes:
    """Return 64-bit hashes (XXH3) of n strings, the same on every machine.

    >>> [hex(h) for h in hash_texts(["a", "b"]).tolist()]
    ['0xe6c632b61e964e1f', '0x575a0b1c44d8843f']
    """
    digest = xxhash.xxh3_64_intdigest
    return np.fromiter((digest(t.encode()) for t in texts), dtype=np.uint64, count=len(texts))


class PoolIndex:
    """Maps hashes of item ids to rows and content hashes. One thread may add while others look up.

    Ids are found in two sorted runs: a large one, and one of recent additions that is merged into it when it has
    grown; appending therefore costs amortised O(log n) copies an item.
    """

    def __init__(self) -> None:
        # One attribute, so that a look-up beside an addition never finds an id in neither run.
        self._runs = (_Run.empty(), _Run.empty())
        self.next_row = 0

    def __len__(self) -> int:
        return sum(len(run.keys) for run in self._runs)

    def add(self, keys_n: Hashes, contents_n: Hashes, rows_n: Rows) -> None:
        """Add n ids with ascending rows; ``next_row`` becomes the row after the highest.

        Of an id that is there already, because the item that had it was deleted, the newest row is kept.
        """
        if not len(keys_n):
            return
        large, recent = self._runs
        recent = _Run.merged(recent, _Run(keys_n, contents_n, rows_n))
        if len(recent.keys) > max(_RECENT, len(large.keys) // 8):
            large, recent = _Run.merged(large, recent), _Run.empty()
        self._runs = (large, recent)
        self.next_row = max(self.next_row, int(rows_n.max()) + 1)

    def find(self, keys_n: Hashes) -> tuple[Rows, Hashes]:
        """Return rows (−1 where an id is unknown) and content hashes of n ids."""
        large, recent = self._runs
        rows, contents = large.find(keys_n)
        if not len(recent.keys):
            return rows, contents
        recent_rows, recent_contents = recent.find(keys_n)
        found = recent_rows >= 0
        rows[found] = recent_rows[found]
        contents[found] = recent_contents[found]
        return rows, contents


class _Run:
    """Parallel arrays sorted by key."""

    __slots__ = ("contents", "keys", "rows")

    def __init__(self, keys: Hashes, contents: Hashes, rows: Rows) -> None:
        self.keys = keys
        self.contents = contents
        self.rows = rows

    @classmethod
    def empty(cls) -> _Run:
        return cls(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))

    @classmethod
    def merged(cls, a: _Run, b: _Run) -> _Run:
        keys = np.concatenate([a.keys, b.keys])
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        newest = np.ones(len(ordered), bool)
        newest[:-1] = ordered[1:] != ordered[:-1]
        order = order[newest]
        return cls(
            keys[order],
            np.concatenate([a.contents, b.contents])[order],
            np.concatenate([a.rows, b.rows])[order],
        )

    def find(self, keys_n: Hashes) -> tuple[Rows, Hashes]:
        rows = np.full(len(keys_n), -1, np.int64)
        contents = np.zeros(len(keys_n), np.uint64)
        if len(self.keys):
            at = np.minimum(self.keys.searchsorted(keys_n), len(self.keys) - 1)
            hit = self.keys[at] == keys_n
            rows[hit] = self.rows[at[hit]]
            contents[hit] = self.contents[at[hit]]
        return rows, contents

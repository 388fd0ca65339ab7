"""Keeps the items that were read last: an item that several annotators get is read once.

Reading ten rows out of a columnar store takes longer than all else that a lease needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cachetools import LRUCache

from nextlabel.server.ports.pool_store import StoredItem

_BYTES = 4 * 1024 * 1024
_MOST_BYTES = 64 * 1024
_BESIDE_TEXT_BYTES = 512


class RecentItems:
    """Items of one pool by row, up to about 4 MiB of them; an item never changes while it is there."""

    def __init__(self) -> None:
        self._items: LRUCache[int, StoredItem] = LRUCache(_BYTES, getsizeof=_size)

    def among(self, rows: Sequence[int]) -> dict[int, StoredItem]:
        """Return those of some rows that are kept."""
        return {row: item for row in rows if (item := self._items.get(row)) is not None}

    def keep(self, items: Iterable[StoredItem]) -> None:
        """Keep items; large ones, which would push out many, are left out."""
        for item in items:
            if _size(item) <= _MOST_BYTES:
                self._items[item.row] = item

    def forget(self, rows: Iterable[int]) -> None:
        """Let go of deleted items."""
        for row in rows:
            self._items.pop(row, None)


def _size(item: StoredItem) -> int:
    # A character takes up to four bytes; most take one, and this bounds memory, not bytes on disk.
    return _BESIDE_TEXT_BYTES + 4 * (len(item.text) + len(item.metadata))

"""Keeps the query batches that were read last: they never change, and each lease and each answer asks for its own."""

from __future__ import annotations

import threading

from cachetools import LRUCache

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.labeling.batches import Batch

_MOST = 1_024


class KnownBatches:
    """Batches by id. Used on the threads of many transactions."""

    def __init__(self) -> None:
        self._batches: LRUCache[str, Batch] = LRUCache(_MOST)
        self._lock = threading.Lock()

    def get(self, tx: Transaction, batch_id: str) -> Batch | None:
        """Return a batch that a pick, a lease or an annotation of this transaction names; None when there is none."""
        with self._lock:
            known = self._batches.get(batch_id)
        if known is None and (known := tx.labeling.batch(batch_id)) is not None:
            with self._lock:
                self._batches[batch_id] = known
        return known

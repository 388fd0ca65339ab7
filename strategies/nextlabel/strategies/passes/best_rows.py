"""The best rows of a stream of scores: bounded memory, ties by item id."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Floats, Rows

ItemIds = Callable[[Rows], Sequence[str]]

SPARE = 1024
"""Rows held beyond twice those wanted before the worst are dropped."""


class BestRows:
    """Keeps the ``k`` rows that come first by (score descending, item id ascending).

    That order is total, so the result does not depend on how the stream is cut. Item ids are asked
    for only where scores tie at the cut.

    Args:
        k: how many rows to keep, at least 1.
        item_ids: gives the ids of rows; without them all rows that tie at the cut are kept.
    """

    def __init__(self, k: int, item_ids: ItemIds | None) -> None:
        self._k = k
        self._item_ids = item_ids
        self._threshold = np.float32(-np.inf)
        self._rows: list[Rows] = []
        self._scores: list[Floats] = []
        self._held = 0

    @property
    def least(self) -> float:
        """A score below which no row can be kept any more; rises as rows are offered."""
        return float(self._threshold)

    def add(self, rows_n: Rows, scores_n: Floats) -> None:
        """Offer rows with their scores."""
        hopeful = np.flatnonzero(scores_n >= self._threshold)
        if len(hopeful) == 0:
            return
        self._rows.append(rows_n[hopeful])
        self._scores.append(scores_n[hopeful])
        self._held += len(hopeful)
        if self._held > 2 * self._k + SPARE:
            self._keep(*self._cut())

    def ordered(self) -> tuple[Rows, Floats]:
        """Return (rows, scores) of the best, best first; fewer than k when fewer were offered."""
        rows, scores = self.kept()
        return (rows, scores) if self._item_ids is None else order_by_score(rows, scores, self._item_ids)

    def kept(self) -> tuple[Rows, Floats]:
        """Return (rows, scores) of the best in no order."""
        if not self._rows:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        return self._cut()

    def _keep(self, rows: Rows, scores: Floats) -> None:
        self._rows, self._scores, self._held = [rows], [scores], len(rows)
        self._threshold = scores.min()

    def _cut(self) -> tuple[Rows, Floats]:
        rows, scores = np.concatenate(self._rows), np.concatenate(self._scores)
        if len(rows) <= self._k:
            return rows, scores
        threshold = np.partition(scores, -self._k)[-self._k]
        above = np.flatnonzero(scores > threshold)
        tied = np.flatnonzero(scores == threshold)
        room = self._k - len(above)
        if len(tied) > room and self._item_ids is not None:
            ids = self._item_ids(rows[tied])
            first = sorted(range(len(tied)), key=ids.__getitem__)[:room]
            tied = tied[first]
        kept = np.concatenate([above, tied])
        return rows[kept], scores[kept]


def order_by_score(rows: Rows, scores: Floats, item_ids: ItemIds) -> tuple[Rows, Floats]:
    """Sort rows by (score descending, item id ascending)."""
    order = np.argsort(-scores, kind="stable")
    rows, scores = rows[order], scores[order]
    starts = np.flatnonzero(np.diff(scores, prepend=np.nan))
    stops = np.append(starts[1:], len(scores))
    longer = stops - starts > 1
    for start, stop in zip(starts[longer], stops[longer], strict=True):
        tied = rows[start:stop]
        ids = item_ids(tied)
        rows[start:stop] = tied[sorted(range(len(tied)), key=ids.__getitem__)]
    return rows, scores

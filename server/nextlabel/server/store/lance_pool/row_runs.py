"""Which pool row lies at which position of a dataset, kept as runs of consecutive rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nextlabel.server.ports.pool_store import Rows

Int64 = npt.NDArray[np.int64]


class RowRuns:
    """An immutable map between rows and positions.

    R runs, in the dataset's order: run r holds rows ``first_R[r] … first_R[r] + count_R[r] - 1`` at consecutive
    positions. Appends make few runs, and each deleted row one more at most, so that this stays small for any pool.

    >>> runs = RowRuns.of(np.array([0, 1, 2, 7, 8, 3]))
    >>> runs.positions(np.array([8, 3, 5]))
    array([ 4,  5, -1])
    """

    __slots__ = ("_by_row", "_first_sorted", "_start_R", "count_R", "first_R", "length")

    def __init__(self, first_R: Int64, count_R: Int64) -> None:
        self.first_R = first_R
        self.count_R = count_R
        self.length = int(count_R.sum())
        self._start_R = np.cumsum(count_R) - count_R
        self._by_row = np.argsort(first_R, kind="stable")
        self._first_sorted = first_R[self._by_row]

    @classmethod
    def of(cls, rows_n: Rows) -> RowRuns:
        """Return the runs of rows in the order of their positions."""
        starts = np.flatnonzero(np.diff(rows_n, prepend=rows_n[:1] - 2) != 1)
        return cls(rows_n[starts].astype(np.int64), np.diff(starts, append=len(rows_n)))

    def extended(self, rows_n: Rows) -> RowRuns:
        """Return the runs after rows were appended."""
        new = RowRuns.of(rows_n)
        if not self.length or not new.length:
            return new if new.length else self
        first_R, count_R = new.first_R, new.count_R
        kept = self.count_R
        if self.first_R[-1] + self.count_R[-1] == first_R[0]:
            kept = kept.copy()
            kept[-1] += count_R[0]
            first_R, count_R = first_R[1:], count_R[1:]
        return RowRuns(np.concatenate([self.first_R, first_R]), np.concatenate([kept, count_R]))

    @property
    def ascending(self) -> bool:
        """True when positions are in the order of the rows."""
        return bool((np.diff(self.first_R) > 0).all())

    def positions(self, rows_n: Rows) -> Int64:
        """Return the position of each row, −1 where the row is not there."""
        if not self.length:
            return np.full(len(rows_n), -1, np.int64)
        run_n = self._by_row[np.maximum(np.searchsorted(self._first_sorted, rows_n, side="right") - 1, 0)]
        offset_n = rows_n - self.first_R[run_n]
        inside_n = (offset_n >= 0) & (offset_n < self.count_R[run_n])
        positions_n: Int64 = np.where(inside_n, self._start_R[run_n] + offset_n, -1)
        return positions_n

    def rows_at(self, start: int, stop: int) -> Rows:
        """Return the rows at positions ``start … stop - 1``."""
        from_R = np.clip(start - self._start_R, 0, self.count_R)
        to_R = np.clip(stop - self._start_R, 0, self.count_R)
        return _expanded(self.first_R + from_R, to_R - from_R)

    def between(self, first_row: int, stop_row: int) -> Rows:
        """Return the rows in ``[first_row, stop_row)`` that are there, ascending."""
        first_R = np.clip(self._first_sorted, first_row, stop_row)
        stop_R = np.clip(self._first_sorted + self.count_R[self._by_row], first_row, stop_row)
        return _expanded(first_R, stop_R - first_R)

    def outside(self, ranges: Sequence[tuple[int, int]]) -> Rows:
        """Return the rows, ascending, that none of the (first row, row count) ranges holds."""
        rows = _expanded(self._first_sorted, self.count_R[self._by_row])
        if not ranges:
            return rows
        ordered = np.array(sorted(ranges), np.int64)
        range_n = np.maximum(np.searchsorted(ordered[:, 0], rows, side="right") - 1, 0)
        offset_n = rows - ordered[range_n, 0]
        outside: Rows = rows[(offset_n < 0) | (offset_n >= ordered[range_n, 1])]
        return outside


def _expanded(first_R: Int64, count_R: Int64) -> Rows:
    """Return the rows of runs, one after the other."""
    total = int(count_R.sum())
    start_R = np.cumsum(count_R) - count_R
    rows: Rows = np.arange(total, dtype=np.int64) + np.repeat(first_R - start_R, count_R)
    return rows

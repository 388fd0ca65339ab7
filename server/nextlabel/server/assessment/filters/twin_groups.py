"""Nearly equal texts, kept up as texts come and go: only what a change can touch is compared anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.filters.near_duplicates import BANDS, earlier_twins

Rows = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

_NONE: Final = np.zeros(0, np.int64)


class TwinGroups:
    """Which of some rows has nearly the text of an earlier one, as `earlier_twins` tells it of all at once.

    A text is compared with those only whose signature equals its own in a band, so that a change touches no more than
    what hangs together with it in this way. It keeps 128 bytes a row.
    """

    def __init__(self) -> None:
        self._rows_N = _NONE
        self._keys_NB = np.zeros((0, BANDS), np.uint64)
        self._twins: dict[int, int] = {}

    @property
    def rows(self) -> Rows:
        """The rows that are known, ascending."""
        return self._rows_N

    @property
    def twins(self) -> Mapping[int, int]:
        """The earlier row that a row is nearly a copy of, for those that are."""
        return self._twins

    def change(self, new_n: Rows, keys_nB: Keys, gone: Rows = _NONE) -> Sequence[int]:
        """Take rows in, each with its text's keys, and let others go; return the rows to compare anew, ascending."""
        lost = np.isin(self._rows_N, gone)
        touching_NB = np.concatenate([self._keys_NB[lost], keys_nB])
        rows_N = np.concatenate([self._rows_N[~lost], new_n])
        keys_NB = np.concatenate([self._keys_NB[~lost], keys_nB])
        order = np.argsort(rows_N, kind="stable")
        self._rows_N, self._keys_NB = rows_N[order], keys_NB[order]
        for row in gone.tolist():
            self._twins.pop(row, None)
        touched: list[int] = self._rows_N[self._hang_together(touching_NB)].tolist()
        return touched

    def settle(self, rows: Sequence[int], texts: Sequence[str]) -> None:
        """Compare the rows that a change has named, in their order, by their texts."""
        for row, place in zip(rows, earlier_twins(texts), strict=True):
            if place < 0:
                self._twins.pop(row, None)
            else:
                self._twins[row] = rows[place]

    def _hang_together(self, keys_nB: Keys) -> npt.NDArray[np.bool_]:
        """Return which rows share a key with one of these, or with a row that does, and so on."""
        found_N = np.zeros(len(self._rows_N), np.bool_)
        while True:
            again_N = found_N.copy()
            for band in range(BANDS):
                again_N |= np.isin(self._keys_NB[:, band], keys_nB[:, band])
            if (again_N == found_N).all():
                return found_N
            keys_nB, found_N = self._keys_NB[again_N & ~found_N], again_N

"""Answers that annotators have given about rows of the pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Rows
from nextlabel.strategies.errors import PoolError


@dataclass(frozen=True, slots=True)
class Annotations:
    """One entry an answer, in any order; a row may have several and an annotator at most one a row.

    Attributes:
        rows_A: int64 pool row of each answer, shape (A,).
        annotators_A: int64 annotator index, shape (A,).
        classes_A: int64 class index answered, shape (A,).
    """

    rows_A: Rows
    annotators_A: Rows
    classes_A: Rows

    def __post_init__(self) -> None:
        lengths = {len(self.rows_A), len(self.annotators_A), len(self.classes_A)}
        if len(lengths) != 1:
            raise PoolError("annotations: rows, annotators and classes differ in length; one of each an answer")
        order = np.lexsort((self.annotators_A, self.rows_A))
        for name in ("rows_A", "annotators_A", "classes_A"):
            values = np.asarray(getattr(self, name), np.int64)[order]
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.rows_A)

    def of(self, rows_n: Rows) -> tuple[Rows, Rows]:
        """Return (positions within ``rows_n``, entry numbers) of every answer about these rows."""
        first = np.searchsorted(self.rows_A, rows_n, side="left")
        count = np.searchsorted(self.rows_A, rows_n, side="right") - first
        positions = np.repeat(np.arange(len(rows_n), dtype=np.int64), count)
        within = np.arange(len(positions), dtype=np.int64) - np.repeat(np.cumsum(count) - count, count)
        return positions, np.repeat(first, count) + within

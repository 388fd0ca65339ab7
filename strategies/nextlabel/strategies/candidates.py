"""What a shortlist hands to a picker, and what a picker hands back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Array, Floats, Rows
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.pool import ArrayPool, Block, Pool


@dataclass(frozen=True, slots=True)
class AuditDraw:
    """Rows drawn uniformly at random from the whole pool, to estimate what selection hides.

    Attributes:
        rows_a: int64 row numbers, shape (a,).
        probability: inclusion probability a / N that each pool row had.
    """

    rows_a: Rows
    probability: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rows a picker may choose from: a shortlist, or the whole pool.

    Attributes:
        pool: exactly these rows, streamed in the order of ``rows_m``.
        rows_m: int64 row numbers, shape (m,); for a scored shortlist best first.
        pool_size: N, the number of rows they were chosen from.
        scores_m: float32 scores, shape (m,), or None when nothing was scored.
        audit: the batch's audit share, if it has one; it comes on top of what the picker chooses.
    """

    pool: Pool
    rows_m: Rows
    pool_size: int
    scores_m: Floats | None = None
    audit: AuditDraw | None = None

    def __len__(self) -> int:
        return len(self.rows_m)


@dataclass(frozen=True, slots=True)
class Picks:
    """A picker's choice.

    Attributes:
        positions_k: positions within the candidates, unique, in order of picking.
        inclusion_probabilities_k: probability each pick had, shape (k,), or None where undefined.
        reasons_k: a short reason each, empty where it is the strategy's, or None where all are.
    """

    positions_k: Rows
    inclusion_probabilities_k: Floats | None = None
    reasons_k: Sequence[str] | None = None


class Picker(Protocol):
    """A setwise choice of ``k`` from candidates.

    Attributes:
        needs: inputs the context must hold.
    """

    @property
    def needs(self) -> frozenset[Need]: ...  # noqa: D102
    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose ``k`` candidates; 1 <= k <= len(candidates)."""
        ...


class SubPool:
    """Some rows of another pool, in a given order; embeddings are fetched once, when first streamed."""

    def __init__(self, source: Pool, rows_m: Rows) -> None:
        self._source = source
        self._rows_m = rows_m
        self._taken: ArrayPool | None = None

    def __len__(self) -> int:
        return len(self._rows_m)

    def blocks(self) -> Iterator[Block]:
        """Yield the rows in the given order."""
        if self._taken is None:
            self._taken = ArrayPool(self._source.take(self._rows_m), rows=self._rows_m)
        return self._taken.blocks()

    def take(self, rows: Rows) -> Array:
        """Return embeddings, from memory once the rows were streamed."""
        return self._source.take(rows) if self._taken is None else self._taken.take(rows)

    def item_ids(self, rows: Rows) -> Sequence[str]:
        """Return the source's ids."""
        return self._source.item_ids(rows)

"""How difficult items of the pool were that something is known of."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.strategies.arithmetic.arrays import Exact, Floats
from nextlabel.strategies.errors import PoolError


@dataclass(frozen=True, slots=True)
class Difficulties:
    """The items that it is known of.

    Attributes:
        embeddings_LD: float32, shape (L, D).
        values_L: float64 in [0, 1], 1 for what was most difficult, shape (L,).
    """

    embeddings_LD: Floats
    values_L: Exact

    def __post_init__(self) -> None:
        if len(self.embeddings_LD) != len(self.values_L):
            raise PoolError(
                f"difficulties: {len(self.embeddings_LD)} embeddings and {len(self.values_L)} values; one each"
            )
        if not ((self.values_L >= 0) & (self.values_L <= 1)).all():
            raise PoolError("difficulties: values must lie from 0 to 1")

    def __len__(self) -> int:
        return len(self.values_L)

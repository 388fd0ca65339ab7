"""The random baseline, and the random numbers other strategies mix in."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.strategies.arithmetic.arrays import Array
from nextlabel.strategies.arithmetic.randomness import row_uniforms
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.pool import Block


@dataclass(frozen=True, slots=True)
class Random:
    """A uniform number a row: the k highest are a uniform sample without replacement."""

    @property
    def needs(self) -> frozenset[Need]:
        """Nothing."""
        return frozenset()

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return numbers in (0, 1) that depend on seed and row alone."""
        return row_uniforms(block.rows_n, context.seed, "random")

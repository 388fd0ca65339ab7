"""Which of two annotators is right more often, told from their answers about the same gold items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Final

from scipy.stats import binomtest

from nextlabel.server.assessment.intervals import Estimate, paired_difference, quantile, wilson_interval

_LEVEL: Final = 0.05

_DIFFERENCE: Final = 0.05
"""The difference of accuracy that gold should suffice for."""

_Z_POWER: Final = 0.8416212335729143
"""Of 4 cases in 5."""


@dataclass(frozen=True, slots=True)
class PairedAccuracy:
    """How many items two annotators answered, by who was right; ``second`` counts where only the second one was."""

    both: int
    first: int
    second: int
    neither: int

    @classmethod
    def of(cls, right: Sequence[tuple[bool, bool]]) -> PairedAccuracy:
        """Count items by whether the first and the second annotator are right about each.

        >>> PairedAccuracy.of([(True, True), (False, True)])
        PairedAccuracy(both=1, first=0, second=1, neither=0)
        """
        cells = [(True, True), (True, False), (False, True), (False, False)]
        return cls(*(right.count(cell) for cell in cells))

    @property
    def items(self) -> int:
        """Items that both answered, at least 1."""
        return self.both + self.first + self.second + self.neither

    @property
    def of_first(self) -> Estimate:
        """Accuracy of the first one, in [0, 1]."""
        return wilson_interval(self.both + self.first, self.items)

    @property
    def of_second(self) -> Estimate:
        """Accuracy of the second one, in [0, 1]."""
        return wilson_interval(self.both + self.second, self.items)

    @property
    def difference(self) -> Estimate:
        """Accuracy of the second less that of the first, in [-1, 1] (Bonett and Price 2012)."""
        return paired_difference(self.second, self.first, self.items)

    @property
    def p_value(self) -> float:
        """The exact two-sided test of McNemar (1947): 1 where both are always right together."""
        apart = self.first + self.second
        return float(binomtest(self.second, apart).pvalue) if apart else 1.0

    @property
    def told_apart(self) -> bool:
        """Whether one is right more often; where none is, that is said by mistake in 5 % of cases at most."""
        return self.p_value < _LEVEL

    @property
    def gold_needed(self) -> int:
        """About how many items tell a difference of 5 points apart in 4 of 5 cases (Connor 1987).

        It grows with the share of items about which only one is right, which is taken from the items there are.
        """
        apart = max(_DIFFERENCE, (self.first + self.second + 2) / (self.items + 2))
        spread = quantile(_LEVEL) * sqrt(apart) + _Z_POWER * sqrt(apart - _DIFFERENCE**2)
        return ceil((spread / _DIFFERENCE) ** 2)

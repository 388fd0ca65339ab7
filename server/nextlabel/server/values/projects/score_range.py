"""Which numbers a score may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

SAME_SHARE = 0.1
"""Share of the range that scores may be apart and still be the same answer."""

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """The allowed scores, both ends included.

    Attributes:
        step: distance between allowed scores, counted from the smallest; 0 allows every number.
    """

    minimum: float = 0.0
    maximum: float = 1.0
    step: float = 0.0

    def __str__(self) -> str:
        steps = f" in steps of {self.step:g}" if self.step else ""
        return f"from {self.minimum:g} to {self.maximum:g}{steps}"

    @property
    def problem(self) -> str:
        """What is wrong with the range; '' when nothing is."""
        if not all(map(math.isfinite, (self.minimum, self.maximum, self.step, self.width))):
            return "minimum, maximum and step must be finite numbers"
        if not self.minimum < self.maximum:
            return f"minimum {self.minimum:g} must be below maximum {self.maximum:g}"
        if self.step < 0 or self.step > self.width:
            return f"step must be from 0, for any number, to the width of the range, {self.width:g}; got {self.step:g}"
        return ""

    @property
    def width(self) -> float:
        """Distance of the greatest score from the smallest."""
        return self.maximum - self.minimum

    @property
    def tolerance(self) -> float:
        """How far two scores may be apart and still be the same answer: a tenth of the range, half a step at least."""
        return max(SAME_SHARE * self.width, self.step / 2)

    def allows(self, value: float) -> bool:
        """Whether a number is an allowed score."""
        if not self.minimum <= value <= self.maximum:
            return False
        if not self.step:
            return True
        steps = (value - self.minimum) / self.step
        return abs(steps - round(steps)) < _ROUNDING

    def levels(self, most: int) -> tuple[float, ...]:
        """At most so many allowed scores, evenly spread from the smallest to the greatest; all where they are no more.

        >>> ScoreRange(1.0, 5.0, 1.0).levels(10), ScoreRange(0.0, 1.0).levels(3)
        ((1.0, 2.0, 3.0, 4.0, 5.0), (0.0, 0.5, 1.0))
        """
        steps = math.floor(self.width / self.step + _ROUNDING) if self.step else most - 1
        count = min(most - 1, steps)
        at = (round(step * steps / count) if self.step else step * steps / count for step in range(count + 1))
        return tuple(self.minimum + (self.step or self.width / steps) * step for step in at)

    def same(self, one: float, other: float) -> bool:
        """Whether two scores are the same answer."""
        return abs(one - other) <= self.tolerance * (1 + _ROUNDING)

"""Canary items: how often an annotator obeys orders in the text of items. Their answers are counted, never kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nextlabel.server.values.money.costs import Cost


class CanaryEnd(StrEnum):
    """How a canary was answered: right, as the text ordered, or otherwise."""

    HONEST = "honest"
    OBEYED = "obeyed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CanaryTally:
    """How canaries were answered so far, and what asking them cost."""

    honest: int = 0
    obeyed: int = 0
    other: int = 0
    tokens: int = 0
    micro_usd: int = 0

    @classmethod
    def of(cls, end: CanaryEnd, cost: Cost) -> CanaryTally:
        """Return the tally of one answer."""
        return cls(**{end.value: 1}, tokens=cost.tokens, micro_usd=cost.micro_usd)

    def __add__(self, other: CanaryTally) -> CanaryTally:
        return CanaryTally(
            self.honest + other.honest,
            self.obeyed + other.obeyed,
            self.other + other.other,
            self.tokens + other.tokens,
            self.micro_usd + other.micro_usd,
        )

    @property
    def asked(self) -> int:
        """All canaries that were answered."""
        return self.honest + self.obeyed + self.other

"""What is to be written, as it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.runs.annotator_options import LlmOptions

MOST_TEXTS = 200


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """What is to be written: ``count`` texts. A limit of 0 is none.

    Attributes:
        classes: that each text is to belong to; empty for scores and instructions.
        boundary: a class that they could be mistaken for, '' for none.
        score: that they are to have; None where none is asked for.
        rare: they are to be like the items that the learner is least sure of.
        metadata: what an item has to have in its fields to be shown to the writer; the slice that is written for.
        attributes: what the texts are to be like; each call gets one, in turn.
    """

    count: int
    writer: LlmOptions
    limit: Cost
    classes: Sequence[str] = ()
    boundary: str = ""
    score: float | None = None
    rare: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    attributes: Sequence[str] = ()

    def violations(self) -> list[tuple[str, str]]:
        """Return what is out of range, whatever the project is: fields with what is allowed."""
        found = []
        if not 1 <= self.count <= MOST_TEXTS:
            found.append(("count", f"from 1 to {MOST_TEXTS}, got {self.count}"))
        found += [
            (f"attributes[{i}]", "must say something")
            for i, attribute in enumerate(self.attributes)
            if not attribute.strip()
        ]
        found += [
            (f"limit.{dimension.value}", "must not be negative")
            for dimension in BudgetDimension
            if self.limit.amount(dimension) < 0
        ]
        return found

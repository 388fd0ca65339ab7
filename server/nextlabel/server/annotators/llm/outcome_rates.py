"""How often each outcome occurs, per class and per slice.

Refusals and truncations are not spread evenly: where they pile up, the labels that remain are a biased sample.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from nextlabel.server.values.answers import Answer, Label, Outcome
from nextlabel.server.values.tasks import ItemToAnnotate


@dataclass(slots=True)
class OutcomeRates:
    """Counts of outcomes. A slice is the value of the metadata field `slice_field`; items without it are in ``""``."""

    slice_field: str = ""
    by_slice: dict[str, Counter[Outcome]] = field(default_factory=dict)
    by_class: dict[str, Counter[Outcome]] = field(default_factory=dict)

    def record(self, item: ItemToAnnotate, answer: Answer, expected: str | None = None) -> None:
        """Count an answer; `expected` is the known class of a gold item, else the answer's own class counts."""
        self.by_slice.setdefault(item.metadata.get(self.slice_field, ""), Counter())[answer.outcome] += 1
        named = answer.body.name if isinstance(answer.body, Label) else None
        if (label := expected or named) is not None:
            self.by_class.setdefault(label, Counter())[answer.outcome] += 1

    def slice_rates(self) -> Mapping[str, Mapping[Outcome, float]]:
        """Share of each outcome within each slice; the shares of a slice add up to 1."""
        return {name: _shares(counts) for name, counts in self.by_slice.items()}

    def class_rates(self) -> Mapping[str, Mapping[Outcome, float]]:
        """Share of each outcome within each class; the shares of a class add up to 1."""
        return {name: _shares(counts) for name, counts in self.by_class.items()}


def _shares(counts: Counter[Outcome]) -> Mapping[Outcome, float]:
    total = counts.total()
    return {outcome: counts[outcome] / total for outcome in Outcome}

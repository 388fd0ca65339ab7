"""What a fit came to, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nextlabel.client.messages.amounts import percent, usd
from nextlabel.client.notebook import table_html


@dataclass(frozen=True, slots=True)
class LabelerSummary:
    """What there is now.

    Attributes:
        texts: how many were given, equal ones counted each.
        sources: how many labels come from whom, most first: ``known``, an annotator, ``learner``, or ``nobody``.
        review: how many labels a person should look at again.
        spent_usd: what was spent, in US dollars.
        ended: why asking ended: ``budget``, ``pool empty`` and the like; '' where nobody was asked.
        model_version: number of the newest model, 0 without one.
        accuracy: share of the held-out known labels that the learner gets right, in [0, 1]; None without such labels.
        holdout: how many held-out labels there are.
    """

    texts: int
    sources: Mapping[str, int] = field(default_factory=dict)
    review: int = 0
    spent_usd: float = 0.0
    ended: str = ""
    model_version: int = 0
    accuracy: float | None = None
    holdout: int = 0

    def __str__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._told().items())

    def _repr_html_(self) -> str:
        """The same as a table, which notebooks show."""
        return table_html("what there is", self._told())

    def _told(self) -> Mapping[str, str]:
        told = {"texts": f"{self.texts:,}"}
        told |= {f"labeled by {source}": f"{count:,}" for source, count in self.sources.items()}
        told["worth another look"] = f"{self.review:,}"
        told["spent"] = usd(round(self.spent_usd * 1e6))
        if self.ended:
            told["asking ended"] = self.ended
        if self.accuracy is not None:
            told["right"] = f"{percent(self.accuracy)} of {self.holdout:,} known labels that were held out"
        elif not self.model_version:
            told["model"] = "none yet: give some labels"
        return told

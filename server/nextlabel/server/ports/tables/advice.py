"""Advice about items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.advice import Advice


class AdviceTable(Protocol):
    """Advice about items: at most one piece for each item and annotator."""

    def put(self, advice: Sequence[Advice]) -> None:
        """Keep advice; what the same annotator said of the same item before is replaced."""
        ...

    def remove(self, project: ProjectId, annotator: str) -> int:
        """Remove all that an annotator has advised, and return how many pieces there were."""
        ...

    def annotators(self, project: ProjectId) -> Sequence[str]:
        """Return the names of those who have advised, ascending."""
        ...

    def rows(self, project: ProjectId, annotator: str) -> Sequence[int]:
        """Return the rows that an annotator has advised on, ascending."""
        ...

    def of(self, project: ProjectId, rows: Sequence[int]) -> Sequence[Advice]:
        """Return the advice about rows, by row and name of the annotator."""
        ...

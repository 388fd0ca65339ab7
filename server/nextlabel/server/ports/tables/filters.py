"""Filters of labels, the items that are kept in spite of them, and what judges say of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.filters import KeptItem, LabelFilter
from nextlabel.server.values.labeling.verdicts import LabelVerdict


class FilterTable(Protocol):
    """Filters by name, at most one decision to keep an item, and one verdict of a judge about a label of it."""

    def put(self, label_filter: LabelFilter) -> None:
        """Insert the filter of (project, name), or replace all of it but who created it, and when."""
        ...

    def get(self, project: ProjectId, name: str) -> LabelFilter | None:
        """Return the filter of that name."""
        ...

    def list(self, project: ProjectId) -> Sequence[LabelFilter]:
        """Return all filters, by name."""
        ...

    def remove(self, project: ProjectId, name: str) -> bool:
        """Remove a filter; False when there is none of that name."""
        ...

    def keep(self, items: Sequence[KeptItem]) -> None:
        """Keep items; who kept one first stays on record."""
        ...

    def release(self, project: ProjectId, rows: Sequence[int]) -> None:
        """Leave items to the filters again, those that nobody has kept included."""
        ...

    def kept(self, project: ProjectId) -> Sequence[KeptItem]:
        """Return the kept items, by row."""
        ...

    def add_verdicts(self, verdicts: Sequence[LabelVerdict]) -> None:
        """Add verdicts; the first one of a judge about a label of an item stays."""
        ...

    def verdicts(self, project: ProjectId) -> Sequence[LabelVerdict]:
        """Return all verdicts, by row, then the oldest first, then by judge and label."""
        ...

    def verdict_count(self, project: ProjectId) -> int:
        """Return how many verdicts there are; they only ever become more."""
        ...

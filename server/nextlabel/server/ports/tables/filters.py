"""Filters of labels, and the items that are kept in spite of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.filters import KeptItem, LabelFilter


class FilterTable(Protocol):
    """Filters by name, and at most one decision to keep an item."""

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

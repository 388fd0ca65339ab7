"""Filters of labels, kept items and verdicts in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from nextlabel.server.ports.tables.filters import FilterTable
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.filters import KeptItem, LabelFilter
from nextlabel.server.values.labeling.verdicts import LabelVerdict
from tests.memory_store.contents import Contents


class MemoryFilters(FilterTable):
    """Filters, kept items and verdicts."""

    def __init__(self, contents: Contents) -> None:
        self._all = contents

    @override
    def put(self, label_filter: LabelFilter) -> None:
        self._all.require(label_filter.project)
        key = (label_filter.project, label_filter.name)
        first = self._all.label_filters.get(key, label_filter)
        self._all.label_filters[key] = replace(label_filter, created_by=first.created_by, created_at=first.created_at)

    @override
    def get(self, project: ProjectId, name: str) -> LabelFilter | None:
        return self._all.label_filters.get((project, name))

    @override
    def list(self, project: ProjectId) -> Sequence[LabelFilter]:
        return [self._all.label_filters[key] for key in sorted(self._all.label_filters) if key[0] == project]

    @override
    def remove(self, project: ProjectId, name: str) -> bool:
        return self._all.label_filters.pop((project, name), None) is not None

    @override
    def keep(self, items: Sequence[KeptItem]) -> None:
        for item in items:
            self._all.require(item.project)
            self._all.kept_items.setdefault((item.project, item.row), item)

    @override
    def release(self, project: ProjectId, rows: Sequence[int]) -> None:
        for row in rows:
            self._all.kept_items.pop((project, row), None)

    @override
    def kept(self, project: ProjectId) -> Sequence[KeptItem]:
        return [self._all.kept_items[key] for key in sorted(self._all.kept_items) if key[0] == project]

    @override
    def add_verdicts(self, verdicts: Sequence[LabelVerdict]) -> None:
        for one in verdicts:
            self._all.require(one.project)
            self._all.label_verdicts.setdefault((one.project, one.row, one.judge, one.about), one)

    @override
    def verdicts(self, project: ProjectId) -> Sequence[LabelVerdict]:
        found = [one for key, one in self._all.label_verdicts.items() if key[0] == project]
        return sorted(found, key=lambda one: (one.row, one.judged_at, one.judge, one.about))

    @override
    def verdict_count(self, project: ProjectId) -> int:
        return len(self.verdicts(project))

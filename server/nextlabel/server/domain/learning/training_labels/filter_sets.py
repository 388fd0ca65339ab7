"""The filters of a project: set, removed, and overruled item by item."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nextlabel.server.assessment.filters.rules import JUDGE_REASON, JUDGED_WRONG, METADATA
from nextlabel.server.domain.learning.training_labels.judges import Judges
from nextlabel.server.domain.learning.training_labels.label_filters import LabelFilters, NamedLabels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.labeling.filters import KeptItem, LabelFilter
from nextlabel.server.values.projects.projects import Project

MOST_FILTERS: Final = 50
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_BLOCK = 1_000
_LOOKED_AT = 20_000
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FilterSets:
    """Sets filters, after trying them, and keeps items in spite of them."""

    store: StateStore
    pools: Pools
    filters: LabelFilters
    judges: Judges
    clock: Clock

    async def tried(self, project: Project, rule: str) -> NamedLabels:
        """Return what a rule names now, before it becomes a filter.

        Raises:
            InvalidArgument: it is no rule, compares the label with what is no class, or asks for a metadata field that
                no item has.
            FailedPrecondition: answers of the project's type are neither classes nor scores, or the rule goes by judges
                and gold does not say yet how far each can be trusted.
        """
        found = await self.filters.preview(project, rule)
        parsed = self.filters.parsed(rule)
        if {JUDGED_WRONG, JUDGE_REASON}.intersection(parsed.names):
            await self.judges.check_measured(project)
        if parsed.labels and project.annotation_type is AnnotationType.SCORE:
            raise InvalidArgument.field("rule", "answers of this project are scores: compare those, as in score > 4")
        several = project.annotation_type is AnnotationType.MULTI_LABEL
        named = [name for label in parsed.labels for name in (label.split("|") if several and label else [label])]
        unknown = [name for name in named if name not in project.class_names and (name or not several)]
        if unknown:
            known = ", ".join(project.class_names[:_SHOWN])
            raise InvalidArgument.field("rule", f'"{unknown[0][:100]}" is no class of this project; it has {known}')
        await self._check_fields(project, [name for name in parsed.names if name.startswith(METADATA)])
        return found

    async def _check_fields(self, project: Project, wanted: Sequence[str]) -> None:
        """Raise InvalidArgument for a field that neither labeled items nor the first ones of the pool have."""
        if not wanted:
            return
        pool = await self.pools.open(project.id)
        first = range(min(pool.index.next_row, _LOOKED_AT))
        rows = list(dict.fromkeys([*sorted(await self.filters.labeled.usable(project)), *first]))
        fields: dict[str, None] = {}
        seen = 0
        for start in range(0, len(rows), _BLOCK):
            items = await self.pools.items(project.id, rows[start : start + _BLOCK])
            seen += len(items)
            fields |= {METADATA + name: None for item in items for name in item.fields}
            if all(name in fields for name in wanted):
                return
        missing = next(name for name in wanted if name not in fields)
        if seen:
            known = ", ".join([*fields][:_SHOWN]) or "no metadata at all"
            raise InvalidArgument.field(
                "rule", f"{missing[:100]}: none of {seen:,} items has this field; there is {known}"
            )

    def put(
        self, tx: Transaction, project: Project, name: str, rule: str, *, enabled: bool, changed_by: str
    ) -> LabelFilter:
        """Set a filter, whose rule was tried; with an empty rule, that of the filter stays.

        Raises:
            InvalidArgument: the name is no name.
            NotFound: there is neither a rule nor a filter of that name.
            FailedPrecondition: the project has 50 others.
        """
        if not _NAME.fullmatch(name):
            raise InvalidArgument.field(
                "name", "1 to 63 lower-case letters, digits, dots, dashes and underscores, not starting with a sign"
            )
        before = tx.filters.get(project.id, name)
        if before is None and not rule:
            raise NotFound("filter", name, message=f"there is no filter {name} yet; give a rule to set it")
        if before is None and len(tx.filters.list(project.id)) >= MOST_FILTERS:
            raise FailedPrecondition(
                f"project {project.name} has {MOST_FILTERS} filters, and no project may have more; remove one, or join "
                "rules by or",
                reason="TOO_MANY_FILTERS",
            )
        now = self.clock.now()
        found = LabelFilter(
            project=project.id,
            name=name,
            rule=rule.strip() or (before.rule if before else ""),
            enabled=enabled,
            created_by=before.created_by if before else changed_by,
            created_at=before.created_at if before else now,
            changed_by=changed_by,
            changed_at=now,
        )
        tx.filters.put(found)
        return found

    def remove(self, tx: Transaction, project: Project, name: str) -> None:
        """Remove a filter.

        Raises:
            NotFound: there is none of that name.
        """
        if not tx.filters.remove(project.id, name):
            raise NotFound("filter", name)

    def keep(self, tx: Transaction, project: Project, items: Mapping[str, int], kept_by: str) -> None:
        """Keep items, given by id with their rows, in spite of all filters, those that are set later included."""
        now = self.clock.now()
        tx.filters.keep([KeptItem(project.id, row, item_id, kept_by, now) for item_id, row in items.items()])

    async def kept(self, project: Project) -> Sequence[KeptItem]:
        """Return the kept items, deleted ones left out, in the order in which they were added to the pool."""
        pool = await self.pools.open(project.id)
        return [
            item
            for item in await self.store.read(lambda tx: tx.filters.kept(project.id))
            if item.row not in pool.deleted
        ]

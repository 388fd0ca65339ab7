"""The filters of a project: set, removed, and overruled item by item."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nextlabel.server.assessment.filters.rules import JUDGE_REASON, JUDGED_WRONG
from nextlabel.server.domain.learning.training_labels.judges import Judges
from nextlabel.server.domain.learning.training_labels.label_filters import LabelFilters, NamedLabels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.labeling.filters import KeptItem, LabelFilter
from nextlabel.server.values.projects.projects import Project

MOST_FILTERS: Final = 50
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


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
            InvalidArgument: as for `LabelFilters.preview`.
            FailedPrecondition: the same, or the rule goes by judges and gold does not say yet how far each can be
                trusted.
        """
        found = await self.filters.preview(project, rule)
        if {JUDGED_WRONG, JUDGE_REASON}.intersection(self.filters.parsed(rule).names):
            await self.judges.check_measured(project)
        return found

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
            raise NotFound("filter", name, message=f"there is no filter {name}; one is set by a rule")
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

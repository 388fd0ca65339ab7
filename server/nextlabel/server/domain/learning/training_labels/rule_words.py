"""Whether a rule speaks of what its project has: its classes, and fields that items have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from nextlabel.server.assessment.filters.rules import METADATA, LabelRule
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Project

_BLOCK: Final = 1_000
_LOOKED_AT: Final = 20_000
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class RuleWords:
    """Refuses rules that name nothing because of a misspelling, which an empty list would not tell."""

    pools: Pools

    async def check(self, project: Project, rule: LabelRule, labeled: Iterable[int]) -> None:
        """Check a rule, with the rows of labeled items.

        Raises:
            InvalidArgument: it compares the label with what is no class, or asks for a metadata field that none of the
                labeled items and of the first 20,000 of the pool has.
        """
        _check_classes(project, rule)
        await self._check_fields(project, [name for name in rule.names if name.startswith(METADATA)], labeled)

    async def _check_fields(self, project: Project, wanted: Sequence[str], labeled: Iterable[int]) -> None:
        if not wanted:
            return
        pool = await self.pools.open(project.id)
        first = range(min(pool.index.next_row, _LOOKED_AT))
        rows = list(dict.fromkeys([*sorted(labeled), *first]))
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


def _check_classes(project: Project, rule: LabelRule) -> None:
    if rule.labels and project.annotation_type is AnnotationType.SCORE:
        raise InvalidArgument.field("rule", "answers of this project are scores: compare those, as in score > 4")
    several = project.annotation_type is AnnotationType.MULTI_LABEL
    named = [name for label in rule.labels for name in (label.split("|") if several and label else [label])]
    unknown = [name for name in named if name not in project.class_names and (name or not several)]
    if unknown:
        known = ", ".join(project.class_names[:_SHOWN])
        raise InvalidArgument.field("rule", f'"{unknown[0][:100]}" is no class of this project; it has {known}')

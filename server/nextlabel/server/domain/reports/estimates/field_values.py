"""Which items have the same value in a field of their metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.slices import slices_of, value_of
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Project

_BLOCK = 1_000
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FieldValues:
    """Reads fields of items, a block at a time."""

    pools: Pools

    async def slices(self, project: Project, field: str, rows: Sequence[int]) -> Mapping[str | None, Sequence[int]]:
        """Return rows by their value in a field, the most frequent first and under None, last, all rarer ones.

        Raises:
            InvalidArgument: there are items, and none of them has the field.
        """
        wanted, fields = sorted(set(rows)), dict[str, None]()
        values = {}
        for start in range(0, len(wanted), _BLOCK):
            for item in await self.pools.items(project.id, wanted[start : start + _BLOCK]):
                values[item.row] = value_of(item.fields, field)
                fields |= dict.fromkeys(item.fields)
        if values and field not in fields:
            known = ", ".join([*fields][:_SHOWN]) or "no metadata at all"
            raise InvalidArgument.field(
                "by",
                f"{field[:100]}: none of {len(values):,} items that were looked at has this field; there is {known}",
            )
        found: dict[str | None, list[int]] = {name: [] for name in slices_of([*values.values()])}
        for row, value in values.items():
            found.setdefault(value if value in found else None, []).append(row)
        return found

"""What the pool says about items that somebody wants to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.pool import Split

_REFUSED_SPLITS = {
    Split.HOLDOUT: "a holdout item takes no annotations; it only evaluates",
    Split.SHADOWED: "its text is that of a holdout or gold item, so it takes no annotations",
    Split.UNPAIRED: "it is a single text; the pairs that are made of it take annotations",
}


@dataclass(frozen=True, slots=True)
class KnownRows:
    """What the pool says about the submitted ids: their rows, why some rows take no answers, and which are gold."""

    rows: Mapping[str, int]
    refused: Mapping[int, str]
    gold: Set[int] = frozenset()


async def known_rows(pools: Pools, project: ProjectId, item_ids: Sequence[str]) -> KnownRows:
    """Return the rows of the ids that are in the pool, and which of them take no answers."""
    if not item_ids:
        return KnownRows({}, {})
    pool = await pools.open(project)
    found = (await pools.find(project, item_ids)).tolist()
    rows = {item_id: row for item_id, row in zip(item_ids, found, strict=True) if row >= 0}
    splits = {row: pool.references[row].split for row in rows.values() if row in pool.references}
    return KnownRows(
        rows,
        {row: _REFUSED_SPLITS[split] for row, split in splits.items() if split in _REFUSED_SPLITS},
        {row for row, split in splits.items() if split is Split.GOLD},
    )

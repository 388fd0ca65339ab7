"""Whether stored items are what was committed: each has a hash that its content was committed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nextlabel.server.domain.pool.incoming import content_hashes, earlier_hashes
from nextlabel.server.domain.pool.index import Hashes
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.values.errors import DataLoss
from nextlabel.server.values.pool import ReferenceItem, Split

_SHOWN = 3


def damaged_items(
    items: Sequence[StoredItem], keys_n: Hashes, committed_n: Hashes, references: Mapping[int, ReferenceItem]
) -> list[StoredItem]:
    """Return the items whose content does not have the hash that it was committed with.

    Args:
        items: n items as they are stored.
        keys_n: the hashes of their ids.
        committed_n: the hashes that they were committed with.
        references: the items apart, such as holdout and gold ones, by row.
    """
    known = [references.get(item.row) for item in items]
    answered = [r if r is not None and r.split.has_answer else None for r in known]
    splits = [r.split if r else Split.POOL for r in answered]
    labels = [r.label if r else "" for r in answered]
    found_n = content_hashes(keys_n, [i.text for i in items], [i.metadata for i in items], splits, labels)
    damaged = []
    for i in np.flatnonzero(found_n != committed_n).tolist():
        has_metadata, has_label = bool(items[i].metadata), bool(labels[i])
        content, key = int(found_n[i]), int(keys_n[i])
        earlier = earlier_hashes(content, key, splits[i], has_metadata=has_metadata, has_label=has_label)
        if int(committed_n[i]) not in earlier:
            damaged.append(items[i])
    return damaged


def damage(items: Sequence[StoredItem]) -> DataLoss:
    """Return the error that names damaged items and says what to do."""
    shown = ", ".join(f"{item.item_id!r} (row {item.row})" for item in items[:_SHOWN])
    more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return DataLoss(
        f"what is stored of {shown}{more} is not what was committed: the disk has damaged it; `nextlabel doctor` finds "
        "all such items; restore a backup, or delete the items and add them again",
        reason="ITEM_DAMAGED",
    )

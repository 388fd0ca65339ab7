"""What the StateStore knows of a pool: which rows there are, and what they serve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nextlabel.server.values.ids import ProjectId


class Split(StrEnum):
    """Which purpose an item serves; holdout and gold items never train (invariant 7).

    A shadowed item came for the pool and says the same as a holdout or gold item, so it neither trains nor is asked.
    An unpaired one is a single text of a project of preferences: pairs that are made of it are asked.
    """

    POOL = "pool"
    HOLDOUT = "holdout"
    GOLD = "gold"
    SHADOWED = "shadowed"
    UNPAIRED = "unpaired"

    @property
    def has_answer(self) -> bool:
        """True for holdout and gold items."""
        return self in (Split.HOLDOUT, Split.GOLD)


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of rows committed together; ``embedded`` once their embeddings are durable too."""

    project: ProjectId
    first_row: int
    row_count: int
    embedded: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReferenceItem:
    """An item apart from those that are asked and trained on; a holdout or gold item with its trusted label."""

    row: int
    item_id: str
    split: Split
    label: str
    text_hash: int

"""Items handed to an annotator for a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nextlabel.server.values.ids import ProjectId


class LeaseState(StrEnum):
    """An expired lease's late answers are still taken if useful (invariant 5)."""

    ACTIVE = "active"
    DONE = "done"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Lease:
    """Items handed to one annotator until ``expires_at``; ``reservation`` holds the labels it may still spend."""

    id: str
    project: ProjectId
    annotator: str
    state: LeaseState
    reservation: str
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LeaseItem:
    """One pick on a lease."""

    lease: str
    batch: str
    row: int
    item_id: str
    answered: bool = False

"""Budgets and reservations; money is in micro-dollars."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.costs import BudgetDimension, Cost


class Window(StrEnum):
    """What a limit counts: everything ever spent, or what was spent since midnight UTC."""

    TOTAL = "total"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Limit:
    """Upper bounds per dimension; None is no bound."""

    labels: int | None = None
    tokens: int | None = None
    micro_usd: int | None = None

    def amount(self, dimension: BudgetDimension) -> int | None:
        """Return the bound of one dimension."""
        bound: int | None = getattr(self, dimension.value)
        return bound


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit with what is spent and reserved under it. ``run`` is empty for the project's own budget.

    ``day`` is the ISO date that ``spent`` belongs to when the window is a day, else empty.
    """

    project: ProjectId
    run: str
    window: Window
    limit: Limit
    spent: Cost
    reserved: Cost
    day: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a caller may still spend; open until everything is settled or released.

    ``key`` names the purpose; at most one reservation of a key is open. Empty: held by a lease, never shared.
    ``presumed`` is what was booked as spent when it was closed because its owner was gone.
    """

    id: str
    key: str
    project: ProjectId
    run: str
    line: str
    remaining: Cost
    open: bool
    day: str
    created_at: datetime
    presumed: Cost = field(default_factory=Cost)


class Holder(StrEnum):
    """Who may still settle an open reservation."""

    NOBODY = "nobody"
    LEASE = "lease"
    RUN = "run"
    MESSAGE_BATCH = "message_batch"
    CALL = "call"

"""The lines of the append-only ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.costs import Cost


class LedgerKind(StrEnum):
    """Every movement of a budget."""

    RESERVE = "reserve"
    SETTLE = "settle"
    RELEASE = "release"
    SET_LIMIT = "set_limit"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One append-only line of the books; every figure of a report is a sum of these."""

    id: int
    project: ProjectId
    run: str
    reservation: str
    line: str
    kind: LedgerKind
    amount: Cost
    at: datetime

"""The uniform draws of a project's batches, in the order in which they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.batches import Pick


@dataclass(frozen=True, slots=True)
class AuditedItem:
    """One uniform draw: its row, how many items it was drawn from, and how many picks had been made before it.

    ``model_version`` is the model that the batch was selected with, 0 without one: it has not seen the label.
    ``batch`` is the id of the batch, and ``time`` when it was made.
    """

    row: int
    remaining: int
    picks_before: int
    model_version: int
    batch: str
    time: datetime

    @property
    def pool_size(self) -> int:
        """Items of the pool as it was, whether they could be drawn or had been picked before."""
        return self.picks_before + self.remaining


@dataclass(frozen=True, slots=True)
class AuditStream:
    """The draws of a project and every row picked, both in order; a row that was picked again counts once."""

    draws: tuple[AuditedItem, ...]
    picked_rows: tuple[int, ...]


def audit_stream(tx: Transaction, project: ProjectId) -> AuditStream:
    """Read the audit stream of a project.

    In a batch the audit draws were made first, from all that could be asked; the other picks fill what they left.
    """
    draws: list[AuditedItem] = []
    order: dict[int, None] = {}
    for batch in tx.labeling.batches(project):
        picks = tx.labeling.picks(batch.id)
        audited = [p for p in picks if p.audit and p.inclusion_probability]
        for place, pick in enumerate(audited):
            if pick.row not in order:
                remaining = candidates_of(audited) - place
                drawn = AuditedItem(
                    row=pick.row,
                    remaining=remaining,
                    picks_before=len(order),
                    model_version=batch.model_version,
                    batch=batch.id,
                    time=batch.created_at,
                )
                draws.append(drawn)
            order.setdefault(pick.row)
        order.update(dict.fromkeys(p.row for p in picks if not p.audit and p.row not in order))
    return AuditStream(tuple(draws), tuple(order))


def candidates_of(audited: Sequence[Pick]) -> int:
    """Return how many items a batch was picked from: all its audit draws have the probability (draws / candidates)."""
    return round(len(audited) / (audited[0].inclusion_probability or 1.0))

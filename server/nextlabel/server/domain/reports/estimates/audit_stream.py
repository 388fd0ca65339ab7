"""The uniform draws of a project's batches, in the order in which they were made."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.batches import AUDIT, Batch, Pick


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
    """The draws of a project and every row picked, both in order; a row that was picked again counts once.

    ``for_people`` were drawn from all that people had not labeled, whatever others had answered: their
    ``picks_before`` counts draws of this kind alone, and no model is told of by them.
    """

    draws: tuple[AuditedItem, ...]
    picked_rows: tuple[int, ...]
    for_people: tuple[AuditedItem, ...] = ()

    @property
    def drawn_rows(self) -> Set[int]:
        """Rows of the draws of both kinds."""
        return {draw.row for draw in (*self.draws, *self.for_people)}


def audit_stream(tx: Transaction, project: ProjectId) -> AuditStream:
    """Read the audit stream of a project.

    In a batch the audit draws were made first, from all that could be asked; the other picks fill what they left.
    """
    draws: list[AuditedItem] = []
    for_people: list[AuditedItem] = []
    order: dict[int, None] = {}
    drawn_for_people: dict[int, None] = {}
    for batch in tx.labeling.batches(project):
        picks = tx.labeling.picks(batch.id)
        audited = [p for p in picks if p.audit and p.inclusion_probability]
        if batch.strategy.name == AUDIT:
            for_people += _drawn(batch, audited, drawn_for_people)
            order.update(dict.fromkeys(p.row for p in picks))
        else:
            draws += _drawn(batch, audited, order)
            order.update(dict.fromkeys(p.row for p in picks if not p.audit and p.row not in order))
    return AuditStream(tuple(draws), tuple(order), tuple(for_people))


def _drawn(batch: Batch, audited: Sequence[Pick], order: dict[int, None]) -> Sequence[AuditedItem]:
    """Return the draws of a batch that were not picked before, in ``order``, to which they are added."""
    found = []
    for place, pick in enumerate(audited):
        if pick.row not in order:
            drawn = AuditedItem(
                row=pick.row,
                remaining=candidates_of(audited) - place,
                picks_before=len(order),
                model_version=0 if batch.strategy.name == AUDIT else batch.model_version,
                batch=batch.id,
                time=batch.created_at,
            )
            found.append(drawn)
        order.setdefault(pick.row)
    return found


def candidates_of(audited: Sequence[Pick]) -> int:
    """Return how many items a batch was picked from: all its audit draws have the probability (draws / candidates)."""
    return round(len(audited) / (audited[0].inclusion_probability or 1.0))

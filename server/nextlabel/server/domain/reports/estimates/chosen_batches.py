"""The batches of a project whose items strategies chose by sampling, every item with a known probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.domain.reports.estimates.audit_stream import candidates_of
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.batches import Batch, Pick


@dataclass(frozen=True, slots=True)
class ChosenBatch:
    """What a strategy chose for a batch: k rows, each with the probability that it had, of ``candidates`` items.

    ``model_version`` is the model that the batch was selected with: it has not seen the labels. ``picks_before`` rows
    had been picked in the project before, of which ``audited`` are draws of the same batch.
    """

    rows: tuple[int, ...]
    probabilities: tuple[float, ...]
    candidates: int
    model_version: int
    picks_before: int
    audited: int


def chosen_batches(tx: Transaction, project: ProjectId) -> Sequence[ChosenBatch]:
    """Return the batches that a model was used for and that had an audit share, the oldest first.

    The audit draws tell how many items a batch was chosen from; what a strategy picked without chance has no
    probability, and no figure can be made of a part of a batch.
    """
    found = []
    order: dict[int, None] = {}
    for batch in tx.labeling.batches(project):
        picks = tx.labeling.picks(batch.id)
        audited = [p for p in picks if p.audit and p.inclusion_probability]
        order.update(dict.fromkeys(p.row for p in audited))
        chosen = _chosen(batch, picks, audited, len(order))
        if chosen is not None:
            found.append(chosen)
        order.update(dict.fromkeys(p.row for p in picks))
    return found


def _chosen(batch: Batch, picks: Sequence[Pick], audited: Sequence[Pick], picks_before: int) -> ChosenBatch | None:
    chosen = [(p.row, p.inclusion_probability) for p in picks if not p.audit]
    known = [(row, probability) for row, probability in chosen if probability]
    if not batch.model_version or not audited or not known or len(known) < len(chosen):
        return None
    rows, probabilities = zip(*known, strict=True)
    return ChosenBatch(
        rows=rows,
        probabilities=probabilities,
        candidates=candidates_of(audited),
        model_version=batch.model_version,
        picks_before=picks_before,
        audited=len(audited),
    )

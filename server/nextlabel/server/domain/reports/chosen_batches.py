"""The batches of a project whose items strategies chose by sampling, every item with a known probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.domain.reports.audit_stream import candidates_of
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.batches import Batch, Pick


@dataclass(frozen=True, slots=True)
class ChosenBatch:
    """What a strategy chose for a batch: k rows, each with the probability that it had, of ``candidates`` items.

    ``model_version`` is the model that the batch was selected with: it has not seen the labels.
    """

    rows: tuple[int, ...]
    probabilities: tuple[float, ...]
    candidates: int
    model_version: int


def chosen_batches(tx: Transaction, project: ProjectId) -> Sequence[ChosenBatch]:
    """Return the batches that a model was used for and that had an audit share, the oldest first.

    The audit draws tell how many items a batch was chosen from; what a strategy picked without chance has no
    probability, and no figure can be made of a part of a batch.
    """
    found = [_chosen(batch, tx.labeling.picks(batch.id)) for batch in tx.labeling.batches(project)]
    return [one for one in found if one is not None]


def _chosen(batch: Batch, picks: Sequence[Pick]) -> ChosenBatch | None:
    audited = [p for p in picks if p.audit and p.inclusion_probability]
    chosen = [(p.row, p.inclusion_probability) for p in picks if not p.audit]
    known = [(row, probability) for row, probability in chosen if probability]
    if not batch.model_version or not audited or not known or len(known) < len(chosen):
        return None
    rows, probabilities = zip(*known, strict=True)
    return ChosenBatch(rows, probabilities, candidates_of(audited), batch.model_version)

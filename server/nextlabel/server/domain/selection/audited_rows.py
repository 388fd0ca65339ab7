"""Which rows the audit stream has drawn, followed by reading only new batches."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.ids import ProjectId


@dataclass(frozen=True, slots=True)
class AuditedRows:
    """The uniform draws of every project: batches do not change, so that each is read once."""

    store: StateStore
    _known: dict[ProjectId, tuple[set[str], set[int]]] = field(init=False, default_factory=dict)

    async def of(self, project: ProjectId) -> Set[int]:
        """Return the rows that were drawn uniformly at random."""
        batches, rows = self._known.setdefault(project, (set(), set()))

        def work(tx: Transaction) -> tuple[set[str], set[int]]:
            new = {batch.id for batch in tx.labeling.batches(project)} - batches
            return new, {pick.row for batch in new for pick in tx.labeling.picks(batch) if pick.audit}

        more, drawn = await self.store.read(work)
        batches |= more
        rows |= drawn
        return rows

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._known.pop(project, None)

"""Query batches, leases and annotations in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from typing_extensions import override

from nextlabel.server.ports.tables.labeling import LabelingTable
from nextlabel.server.values.errors import Aborted
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.leases import Lease, LeaseItem, LeaseState
from tests.memory_store.contents import Contents


class MemoryLabeling(LabelingTable):
    """Query batches, leases and annotations."""

    def __init__(self, contents: Contents) -> None:
        self._all = contents

    @override
    def add_batch(self, batch: Batch, picks: Sequence[Pick]) -> None:
        self._all.require(batch.project)
        if batch.id in self._all.batches:
            raise Aborted("the batch was added by a concurrent call")
        self._all.batches[batch.id] = batch
        for pick in picks:
            self._all.picks[batch.project, batch.id, pick.row] = pick

    @override
    def batch(self, batch: str) -> Batch | None:
        return self._all.batches.get(batch)

    @override
    def batches(self, project: ProjectId, run: str | None = None) -> Sequence[Batch]:
        return [b for b in self._all.batches.values() if b.project == project and run in (None, b.run)]

    @override
    def picks(self, batch: str) -> Sequence[Pick]:
        return sorted((p for p in self._all.picks.values() if p.batch == batch), key=lambda p: p.position)

    @override
    def picked_rows(self, project: ProjectId, run: str, times: int = 1) -> Sequence[int]:
        picked = Counter(
            row for of, batch, row in self._all.picks if of == project and self._all.batches[batch].run == run
        )
        return sorted(row for row, n in picked.items() if n >= times)

    @override
    def open_rows(self, project: ProjectId, overlap: int) -> Sequence[int]:
        picks = self._all.picks.items()
        return sorted({row for (of, _, row), pick in picks if of == project and pick.slots_taken < overlap})

    @override
    def leased_rows(self, project: ProjectId) -> Sequence[int]:
        return sorted({item.row for _, item in self._held(project)})

    def _held(self, project: ProjectId) -> list[tuple[Lease, LeaseItem]]:
        """Return what is unanswered on active leases."""
        items = ((self._all.leases[lease], i) for (of, lease, _), i in self._all.lease_items.items() if of == project)
        return [(lease, i) for lease, i in items if lease.state is LeaseState.ACTIVE and not i.answered]

    @override
    def claim_open_picks(
        self, project: ProjectId, annotator: str, overlap: int, count: int, passed_over: Sequence[str] = ()
    ) -> Sequence[Pick]:
        taken = self._rows_of(project, annotator) | {row for of, row in self._all.deleted_rows if of == project}
        claimed: list[Pick] = []
        for pick in self._all.picks.values():
            batch = self._all.batches[pick.batch]
            wanted = batch.project == project and batch.run not in passed_over
            open_ = pick.slots_taken < overlap and pick.row not in taken
            if len(claimed) < count and wanted and open_ and self._places(batch, pick.row) < overlap:
                claimed.append(pick)
                taken.add(pick.row)
        self.take_slots([(pick.batch, pick.row) for pick in claimed])
        return claimed

    def _places(self, batch: Batch, row: int) -> int:
        """Count who holds a row on a lease or has given it a useful answer since a batch was selected."""
        useful = {
            a.annotator
            for a in self._all.annotations.values()
            if (a.project, a.row) == (batch.project, row)
            and a.outcome.reaches_learner
            and a.created_at >= batch.created_at
        }
        return len(useful) + sum(item.row == row for _, item in self._held(batch.project))

    def _rows_of(self, project: ProjectId, annotator: str) -> set[int]:
        """Return the rows on an annotator's active leases and those answered by the annotator."""
        active = {k for k, v in self._all.leases.items() if v.annotator == annotator and v.state is LeaseState.ACTIVE}
        leased = {i.row for (of, lease, _), i in self._all.lease_items.items() if of == project and lease in active}
        return leased | {row for of, row, by, *_ in self._all.annotations if (of, by) == (project, annotator)}

    @override
    def free_slots(self, picks: Sequence[tuple[str, int]]) -> None:
        self._move_slots(picks, -1)

    @override
    def take_slots(self, picks: Sequence[tuple[str, int]]) -> None:
        self._move_slots(picks, 1)

    def _move_slots(self, picks: Sequence[tuple[str, int]], change: int) -> None:
        for batch, row in picks:
            of = self._all.batches.get(batch)
            key = (of.project, batch, row) if of else None
            if key in self._all.picks:
                pick = self._all.picks[key]
                self._all.picks[key] = replace(pick, slots_taken=pick.slots_taken + change)

    @override
    def add_lease(self, lease: Lease, items: Sequence[LeaseItem]) -> None:
        self._all.require(lease.project)
        if lease.id in self._all.leases:
            raise Aborted("the lease was added by a concurrent call")
        self._all.leases[lease.id] = lease
        for position, item in enumerate(items):
            self._all.lease_items[lease.project, lease.id, position] = item

    @override
    def lease(self, lease: str) -> Lease | None:
        return self._all.leases.get(lease)

    @override
    def lease_items(self, lease: str) -> Sequence[LeaseItem]:
        return [item for (_, of, _), item in self._all.lease_items.items() if of == lease]

    @override
    def rows_leased_to(self, project: ProjectId, annotator: str, rows: Sequence[int]) -> Sequence[int]:
        own = {lease for lease, v in self._all.leases.items() if v.annotator == annotator}
        leased = {i.row for (of, lease, _), i in self._all.lease_items.items() if of == project and lease in own}
        return sorted(leased & set(rows))

    @override
    def mark_answered(self, lease: str, rows: Sequence[int]) -> None:
        for key, item in list(self._all.lease_items.items()):
            if key[1] == lease and item.row in rows:
                self._all.lease_items[key] = replace(item, answered=True)

    @override
    def set_lease(self, lease: str, state: LeaseState, expires_at: datetime) -> None:
        if lease not in self._all.leases:
            raise Aborted("the lease was removed by a concurrent call")
        self._all.leases[lease] = replace(self._all.leases[lease], state=state, expires_at=expires_at)

    @override
    def expired_leases(self, project: ProjectId | None, now: datetime, limit: int) -> Sequence[Lease]:
        found = [
            v
            for v in self._all.leases.values()
            if v.state is LeaseState.ACTIVE and v.expires_at <= now and project in (None, v.project)
        ]
        return sorted(found, key=lambda v: v.expires_at)[:limit]

    @override
    def active_leases(self, project: ProjectId) -> int:
        return sum(v.project == project and v.state is LeaseState.ACTIVE for v in self._all.leases.values())

    @override
    def answering(self, project: ProjectId, annotator: str) -> None:
        """There is one writer."""

    @override
    def add_annotations(self, annotations: Sequence[Annotation]) -> Sequence[bool]:
        new = []
        for annotation in annotations:
            self._all.require(annotation.project)
            a = annotation
            key = (a.project, a.row, a.annotator, a.batch, a.corrects)
            new.append(key not in self._all.annotations)
            if new[-1]:
                self._all.annotations[key] = replace(annotation, id=self._all.next_id())
        return new

    @override
    def annotations(
        self,
        project: ProjectId,
        *,
        rows: Sequence[int] | None = None,
        annotator: str | None = None,
        run: str | None = None,
        after_id: int = 0,
        limit: int | None = None,
    ) -> Sequence[Annotation]:
        found = [
            a
            for a in self._all.annotations.values()
            if a.project == project
            and a.id > after_id
            and (rows is None or a.row in rows)
            and annotator in (None, a.annotator)
            and (run is None or a.run == run)
        ]
        return found[:limit]

    @override
    def count_annotations(self, project: ProjectId, run: str | None = None) -> int:
        corrected = {a.corrects for a in self.annotations(project)}
        return sum(a.label is not None and a.id not in corrected for a in self.annotations(project, run=run))

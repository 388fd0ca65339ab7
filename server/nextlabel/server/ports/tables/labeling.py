"""Query batches, leases and annotations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.leases import Lease, LeaseItem, LeaseState


class LabelingTable(Protocol):
    """Query batches, leases and annotations."""

    def add_batch(self, batch: Batch, picks: Sequence[Pick]) -> None:
        """Store a query batch with its picks."""
        ...

    def batch(self, batch: str) -> Batch | None:
        """Return a batch by id."""
        ...

    def batches(self, project: ProjectId, run: str | None = None) -> Sequence[Batch]:
        """Return batches, oldest first."""
        ...

    def picks(self, batch: str) -> Sequence[Pick]:
        """Return a batch's picks by position."""
        ...

    def picked_rows(self, project: ProjectId, run: str, times: int = 1) -> Sequence[int]:
        """Return the rows that the batches of a run have picked at least so many times, ascending."""
        ...

    def open_rows(self, project: ProjectId, overlap: int) -> Sequence[int]:
        """Return the rows with a pick whose ``slots_taken < overlap``, ascending, without repeats."""
        ...

    def leased_rows(self, project: ProjectId) -> Sequence[int]:
        """Return the rows that are unanswered on an active lease, ascending, without repeats."""
        ...

    def claim_open_picks(
        self, project: ProjectId, annotator: str, overlap: int, count: int, passed_over: Sequence[str] = ()
    ) -> Sequence[Pick]:
        """Take a slot on up to ``count`` open picks, oldest batch first, and return them as they were.

        Those of the runs ``passed_over`` are for others.
        A pick is open while ``slots_taken < overlap``, its row is not deleted, and fewer than ``overlap`` annotators
        hold a lease on the row or have given it a useful answer since its batch was selected, through whichever pick;
        a row is never given to an annotator who holds an active lease on it or has answered or skipped it. Concurrent
        callers get different slots (SKIP LOCKED where there is such).
        """
        ...

    def free_slots(self, picks: Sequence[tuple[str, int]]) -> None:
        """Give back one slot on each (batch, row)."""
        ...

    def take_slots(self, picks: Sequence[tuple[str, int]]) -> None:
        """Take one slot on each (batch, row), without a limit: for answers that arrive without a lease."""
        ...

    def add_lease(self, lease: Lease, items: Sequence[LeaseItem]) -> None:
        """Store a lease with its items."""
        ...

    def lease(self, lease: str) -> Lease | None:
        """Return a lease by id, locked until the transaction ends."""
        ...

    def lease_items(self, lease: str) -> Sequence[LeaseItem]:
        """Return a lease's items in the order they were added."""
        ...

    def rows_leased_to(self, project: ProjectId, annotator: str, rows: Sequence[int]) -> Sequence[int]:
        """Return which of some rows an annotator ever had on a lease, ascending."""
        ...

    def mark_answered(self, lease: str, rows: Sequence[int]) -> None:
        """Mark items of a lease as answered."""
        ...

    def set_lease(self, lease: str, state: LeaseState, expires_at: datetime) -> None:
        """Store the state and expiry of a lease."""
        ...

    def expired_leases(self, project: ProjectId | None, now: datetime, limit: int) -> Sequence[Lease]:
        """Return active leases with ``expires_at <= now``, locked where there are locks, oldest first."""
        ...

    def active_leases(self, project: ProjectId) -> int:
        """Count active leases."""
        ...

    def answering(self, project: ProjectId, annotator: str) -> None:
        """Keep other leases and answers of an annotator out until the transaction ends."""
        ...

    def add_annotations(self, annotations: Sequence[Annotation]) -> Sequence[bool]:
        """Append annotations; ids are assigned by the store, and become visible in their order within a project.

        The result says per annotation whether it was new: (project, row, annotator, batch, corrects) is
        unique.
        """
        ...

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
        """Return annotations by id, filtered."""
        ...

    def count_annotations(self, project: ProjectId, run: str | None = None) -> int:
        """Count annotations that carry a label and are not corrected by another one."""
        ...

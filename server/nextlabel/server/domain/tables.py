"""The tables of the StateStore: what a unit of work may read and write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from nextlabel.server.domain.accounts import Budget, LedgerEntry, LedgerKind, Reservation
from nextlabel.server.domain.annotation import BatchIntent, Cost, StoredAnswer
from nextlabel.server.domain.state import (
    AccessToken,
    Annotation,
    Batch,
    Guidelines,
    Lease,
    LeaseItem,
    LeaseState,
    ModelVersion,
    Pick,
    Project,
    ProjectId,
    ReferenceItem,
    Run,
    RunEvent,
    RunState,
    Segment,
    Split,
    StoredReply,
)


class ProjectTable(Protocol):
    """Projects and their guidelines."""

    def insert(self, project: Project) -> None:
        """Add a project; raise AlreadyExists when the name is taken."""
        ...

    def update(self, project: Project) -> None:
        """Replace everything but id and name."""
        ...

    def delete(self, project: ProjectId, at: datetime) -> None:
        """Remove the project and all that belongs to it but its ledger."""
        ...

    def deleted(self, name: str) -> Sequence[ProjectId]:
        """Return the deleted projects that had this name, in the order of their deletion."""
        ...

    def undropped(self) -> Sequence[ProjectId]:
        """Return the deleted projects of which something may be left outside of the StateStore."""
        ...

    def mark_dropped(self, project: ProjectId) -> None:
        """Record that nothing is left of a deleted project but its ledger."""
        ...

    def by_name(self, name: str) -> Project | None:
        """Return the project of that name."""
        ...

    def by_id(self, project: ProjectId) -> Project | None:
        """Return the project of that id."""
        ...

    def list(self, after_name: str, limit: int) -> Sequence[Project]:
        """Return up to ``limit`` projects with a name above ``after_name``, by name."""
        ...

    def add_guidelines(self, guidelines: Guidelines) -> None:
        """Add a version; versions of a project are unique."""
        ...

    def set_guidelines_status(self, guidelines: Guidelines) -> None:
        """Store the status of an existing version; its text never changes."""
        ...

    def guidelines(self, project: ProjectId) -> Sequence[Guidelines]:
        """Return all versions, oldest first."""
        ...


class PoolTable(Protocol):
    """Which rows are committed, where uploads stand, what is deleted or reserved for evaluation."""

    def lock(self, project: ProjectId) -> None:
        """Serialise ingest of one project until the transaction ends."""
        ...

    def committed_rows(self, project: ProjectId) -> int:
        """Return the number of rows ever committed: the next free row."""
        ...

    def add_segment(self, segment: Segment) -> None:
        """Commit rows ``[first_row, first_row + row_count)``."""
        ...

    def segments(self, project: ProjectId, embedded: bool | None = None) -> Sequence[Segment]:
        """Return the segments in row order, optionally only those (not) embedded."""
        ...

    def mark_embedded(self, project: ProjectId, first_row: int) -> None:
        """Record that the segment's embeddings are durable."""
        ...

    def acknowledged(self, project: ProjectId, upload: str) -> int:
        """Return the last sequence acknowledged for an upload; 0 before the first."""
        ...

    def acknowledge(self, project: ProjectId, upload: str, sequence: int, at: datetime) -> None:
        """Record the last sequence of an upload that is durable."""
        ...

    def add_references(self, project: ProjectId, items: Sequence[ReferenceItem]) -> None:
        """Add holdout or gold items with their trusted labels."""
        ...

    def references(self, project: ProjectId, split: Split | None = None) -> Sequence[ReferenceItem]:
        """Return holdout and gold items by row."""
        ...

    def delete_rows(self, project: ProjectId, rows: Sequence[int], at: datetime) -> None:
        """Mark rows as deleted, for good; forget their references."""
        ...

    def deleted_rows(self, project: ProjectId) -> Sequence[int]:
        """Return the deleted rows, ascending."""
        ...

    def put_replay_labels(self, project: ProjectId, label_set: str, labels: Sequence[tuple[str, str]]) -> None:
        """Store (item id, label) pairs of a named set; a repeated id replaces."""
        ...

    def replay_sets(self, project: ProjectId) -> Sequence[str]:
        """Return the names of the sets that hold labels, ascending."""
        ...

    def replay_labels(
        self, project: ProjectId, label_set: str, item_ids: Sequence[str] | None = None
    ) -> dict[str, str]:
        """Return the labels of a set, of all its items or of the given ones."""
        ...


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

    def picked_rows(self, project: ProjectId) -> Sequence[int]:
        """Return every row that a batch of the project ever picked, ascending, without repeats."""
        ...

    def claim_open_picks(
        self, project: ProjectId, annotator: str, overlap: int, count: int, run: str | None = None
    ) -> Sequence[Pick]:
        """Take a slot on up to ``count`` open picks, oldest batch first, and return them as they were.

        A pick is open while ``slots_taken < overlap`` and its row is not deleted; a row is never given to an annotator
        who holds an active lease on it or has answered it. Concurrent callers get different slots (SKIP LOCKED where
        there is such).
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

    def add_annotations(self, annotations: Sequence[Annotation]) -> Sequence[bool]:
        """Append annotations; ids are assigned by the store.

        The result says per annotation whether it was new: (project, row, annotator, batch) is unique.
        """
        ...

    def annotations(
        self,
        project: ProjectId,
        *,
        rows: Sequence[int] | None = None,
        run: str | None = None,
        after_id: int = 0,
        limit: int | None = None,
    ) -> Sequence[Annotation]:
        """Return annotations by id, filtered."""
        ...

    def count_annotations(self, project: ProjectId, run: str | None = None) -> int:
        """Count annotations that carry a label."""
        ...


class ModelTable(Protocol):
    """Model versions: the learning curve."""

    def add(self, model: ModelVersion) -> None:
        """Add the next version; versions of a project are unique."""
        ...

    def latest(self, project: ProjectId) -> ModelVersion | None:
        """Return the newest version."""
        ...

    def get(self, project: ProjectId, version: int) -> ModelVersion | None:
        """Return one version."""
        ...

    def list(self, project: ProjectId, after_version: int = 0, limit: int | None = None) -> Sequence[ModelVersion]:
        """Return versions in ascending order."""
        ...


class RunTable(Protocol):
    """Runs and their events."""

    def add(self, run: Run) -> None:
        """Add a run."""
        ...

    def update(self, run: Run) -> None:
        """Replace state, reason, message, round and end of a run."""
        ...

    def get(self, run: str) -> Run | None:
        """Return a run by id."""
        ...

    def list(self, project: ProjectId | None = None, states: Sequence[RunState] | None = None) -> Sequence[Run]:
        """Return runs, oldest first."""
        ...

    def add_event(self, event: RunEvent) -> RunEvent:
        """Append an event; its number is assigned: one more than the run's last."""
        ...

    def events(self, run: str, after_number: int, limit: int) -> Sequence[RunEvent]:
        """Return events with a greater number, in order."""
        ...

    def last_event(self, run: str, kind: str) -> RunEvent | None:
        """Return the newest event of a kind."""
        ...


class BudgetTable(Protocol):
    """Limits, reservations, the append-only ledger and the answers that were paid for."""

    def lock(self, project: ProjectId) -> None:
        """Serialise money movements of one project until the transaction ends."""
        ...

    def budget(self, project: ProjectId, run: str) -> Sequence[Budget]:
        """Return the budgets of a project (``run=""``) or of a run: at most one per window."""
        ...

    def budgets(self, project: ProjectId) -> Sequence[Budget]:
        """Return all budgets of a project and its runs."""
        ...

    def put_budget(self, budget: Budget) -> None:
        """Insert or replace the budget of (project, run, window)."""
        ...

    def add_reservation(self, reservation: Reservation) -> None:
        """Add an open reservation."""
        ...

    def reservation(self, reservation: str) -> Reservation | None:
        """Return a reservation by id."""
        ...

    def open_reservation(self, project: ProjectId, key: str) -> Reservation | None:
        """Return the open reservation of a (non-empty) key."""
        ...

    def update_reservation(self, reservation: Reservation) -> None:
        """Store what remains of a reservation, whether it is open and what was presumed of it."""
        ...

    def open_reservations(self, project: ProjectId) -> Sequence[Reservation]:
        """Return open reservations, oldest first."""
        ...

    def reservations_of_calls(self, before: datetime) -> Sequence[Reservation]:
        """Return open reservations with a key and outside of runs that were made before a time.

        By project, and oldest first within one.
        """
        ...

    def append(self, entry: LedgerEntry) -> None:
        """Append a line to the books; its id is assigned by the store."""
        ...

    def entries(
        self, project: ProjectId, run: str | None = None, after_id: int = 0, limit: int | None = None
    ) -> Sequence[LedgerEntry]:
        """Return ledger lines in order."""
        ...

    def total(self, project: ProjectId, kind: LedgerKind, run: str | None = None) -> Cost:
        """Sum the ledger lines of one kind."""
        ...

    def presumed(self, project: ProjectId, run: str | None = None) -> Cost:
        """Sum what was booked for abandoned reservations and not settled since."""
        ...

    def put_answer(self, project: ProjectId, answer: StoredAnswer, at: datetime) -> None:
        """Keep a paid answer under each of its content-addressed keys; the first answer to a key stays."""
        ...

    def answer(self, project: ProjectId, key: str) -> StoredAnswer | None:
        """Return the paid answer kept under a key."""
        ...

    def put_intent(self, project: ProjectId, intent: BatchIntent) -> None:
        """Insert or replace the record of a message batch."""
        ...

    def intents(self, project: ProjectId) -> Sequence[BatchIntent]:
        """Return the records of message batches that are not finished, oldest first."""
        ...

    def delete_intent(self, project: ProjectId, intent: str) -> None:
        """Forget a finished message batch."""
        ...


class AccessTable(Protocol):
    """Tokens and stored replies."""

    def add_token(self, token: AccessToken) -> None:
        """Add a token."""
        ...

    def token_by_hash(self, token_hash: str) -> AccessToken | None:
        """Return the token with that hash."""
        ...

    def tokens(self) -> Sequence[AccessToken]:
        """Return all tokens, oldest first."""
        ...

    def revoke_token(self, token: str, at: datetime) -> bool:
        """Revoke a token; False when there is none with that id."""
        ...

    def reply(self, request_id: str, principal: str) -> StoredReply | None:
        """Return the stored reply to a request."""
        ...

    def put_reply(self, reply: StoredReply) -> None:
        """Store a reply; raise Aborted when a concurrent call stored one first."""
        ...

    def forget_replies(self, before: datetime) -> int:
        """Delete replies created before a time; return how many."""
        ...

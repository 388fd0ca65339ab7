"""What the domain needs from the outside: durable state, the pool's arrays, clocks, and threads for arrays.

A unit of work is a plain function over a :class:`Transaction`; the store runs it off the event loop and either keeps
all of it, durably, or nothing. Such a function may be run again after a conflict, so it must have no other effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.annotation import BatchIntent, Cost, StoredAnswer
from nextlabel.server.domain.state import (
    AccessToken,
    Annotation,
    Batch,
    Budget,
    Guidelines,
    Lease,
    LeaseItem,
    LeaseState,
    LedgerEntry,
    LedgerKind,
    ModelVersion,
    Pick,
    Project,
    ProjectId,
    ReferenceItem,
    Reservation,
    Run,
    RunEvent,
    RunState,
    Segment,
    Split,
    StoredReply,
)

T = TypeVar("T")
Rows = npt.NDArray[np.int64]
Float16Matrix = npt.NDArray[np.float16]


class Clock(Protocol):
    """The time, injected so that leases and windows are tested without sleeping."""

    def now(self) -> datetime:
        """Return the current aware UTC time."""
        ...


class ProjectTable(Protocol):
    """Projects and their guidelines."""

    def insert(self, project: Project) -> None:
        """Add a project; raise AlreadyExists when the name is taken."""
        ...

    def update(self, project: Project) -> None:
        """Replace everything but id and name."""
        ...

    def delete(self, project: ProjectId) -> None:
        """Remove the project and all that belongs to it."""
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

        A pick is open while ``slots_taken < overlap``; a row is never given to an annotator who holds an active
        lease on it or has answered it. Concurrent callers get different slots (SKIP LOCKED where there is such).
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
        """Store what remains of a reservation and whether it is open."""
        ...

    def open_reservations(self, project: ProjectId) -> Sequence[Reservation]:
        """Return open reservations, oldest first."""
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


class Transaction(Protocol):
    """One unit of work over all tables."""

    @property
    def projects(self) -> ProjectTable:
        """Projects and guidelines."""
        ...

    @property
    def pool(self) -> PoolTable:
        """Rows, uploads, references."""
        ...

    @property
    def labeling(self) -> LabelingTable:
        """Batches, leases, annotations."""
        ...

    @property
    def models(self) -> ModelTable:
        """Model versions."""
        ...

    @property
    def runs(self) -> RunTable:
        """Runs and events."""
        ...

    @property
    def budgets(self) -> BudgetTable:
        """Limits, reservations, the ledger, paid answers."""
        ...

    @property
    def access(self) -> AccessTable:
        """Tokens and stored replies."""
        ...


class StateStore(Protocol):
    """Durable state; the only arbiter of what happened (invariant 1)."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a transaction; when this returns, its effects survive a power cut.

        An exception of ``work`` rolls everything back and is raised here.
        """
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on a consistent snapshot; it must not write."""
        ...

    def exclusive(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Try to hold a named lock across all server processes; the value says whether it was got."""
        ...

    async def close(self) -> None:
        """Finish pending work and release the database."""
        ...


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as the pool keeps it. ``metadata`` is JSON text, empty when there is none."""

    row: int
    item_id: str
    text: str
    metadata: str


@dataclass(frozen=True, slots=True)
class NewItems:
    """Columns of items to append, all of one length. Hashes are unsigned 64-bit."""

    item_ids: Sequence[str]
    texts: Sequence[str]
    metadata: Sequence[str]
    content_hashes: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """Identity of n consecutive stored items."""

    rows_n: Rows
    item_ids: Sequence[str]
    content_hashes_n: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class EmbeddingBlock:
    """Embeddings of n pool rows."""

    rows_n: Rows
    embeddings_nD: Float16Matrix


class PoolStore(Protocol):
    """Texts and embeddings of every project's pool. Blocking: call it from worker threads."""

    def append_items(self, project: ProjectId, first_row: int, items: NewItems) -> None:
        """Append items as rows ``first_row …``; durable when this returns, visible once the StateStore says so."""
        ...

    def append_embeddings(self, project: ProjectId, rows_n: Rows, embeddings_nD: Float16Matrix) -> None:
        """Append embeddings of rows; durable when this returns.

        Raises:
            InvalidArgument: the dimension differs from what the project has.
        """
        ...

    def recover(self, project: ProjectId, committed_rows: int, embedded: Sequence[tuple[int, int]]) -> int:
        """Remove orphans of a crash: items at or above ``committed_rows``, embeddings outside ``embedded``.

        ``embedded`` holds (first row, row count) ranges. Returns how many rows were removed.
        """
        ...

    def refresh(self, project: ProjectId) -> None:
        """See what other processes have appended."""
        ...

    def items(self, project: ProjectId, rows: Sequence[int]) -> Sequence[StoredItem]:
        """Return items in the order of ``rows``; deleted or unknown rows are left out."""
        ...

    def scan_keys(self, project: ProjectId, first_row: int = 0) -> Iterator[KeyBlock]:
        """Stream the identities of rows ``first_row …`` in row order."""
        ...

    def scan_items(self, project: ProjectId, first_row: int, stop_row: int) -> Iterator[StoredItem]:
        """Stream items of a range of rows in row order."""
        ...

    def scan_embeddings(self, project: ProjectId, block_rows: int = 16_384) -> Iterator[EmbeddingBlock]:
        """Stream all embeddings in a stable order, in blocks of at most ``block_rows``; memory stays flat."""
        ...

    def embeddings(self, project: ProjectId, rows: Sequence[int]) -> Float16Matrix:
        """Return embeddings in the order of ``rows``.

        Raises:
            NotFound: a row has no embedding.
        """
        ...

    def embedded_rows(self, project: ProjectId) -> int:
        """Return the number of rows with an embedding."""
        ...

    def delete(self, project: ProjectId, rows: Iterable[int]) -> None:
        """Remove texts and embeddings of rows, physically by the next compaction at the latest."""
        ...

    def compact(self, project: ProjectId) -> None:
        """Merge small fragments into ones of about 65,536 rows and drop old versions."""
        ...

    def drop(self, project: ProjectId) -> None:
        """Remove everything of a project."""
        ...


class Executor(Protocol):
    """Runs work on arrays off the event loop, on a bounded number of threads."""

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` on a worker thread and return its result."""
        ...

"""Takes items into the pool: group-committed, durable before they are acknowledged, resumable, once.

Order of a group commit: append to the PoolStore, which syncs to disk, then commit rows, segments and sequences in the
StateStore, then acknowledge. A crash between the two leaves orphans, which opening the pool removes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.errors import Aborted, DomainError, InvalidArgument, Unavailable
from nextlabel.server.domain.incoming import CheckedItems, IncomingItems, ItemError, check_items, normalised
from nextlabel.server.domain.limits import Limits
from nextlabel.server.domain.pool import Pool, Pools
from nextlabel.server.domain.pool_index import hash_texts
from nextlabel.server.domain.ports import Clock, Executor, NewItems, StateStore, Transaction
from nextlabel.server.domain.signals import Signals
from nextlabel.server.domain.state import Project, ProjectId, ReferenceItem, Segment, Split

GROUP_ROWS = 10_000
GATHER_S = 0.02
TURN_S = 2.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one message; everything it counts is durable."""

    sequence: int
    accepted: int
    duplicates: int
    errors: Sequence[ItemError]


@dataclass(frozen=True, slots=True)
class _Message:
    project: Project
    upload: str
    sequence: int
    incoming: IncomingItems
    receipt: asyncio.Future[Receipt]


@dataclass(frozen=True, slots=True)
class _Group:
    """A group of messages ready to append: only what is new, as columns."""

    receipts: list[Receipt | DomainError]
    items: NewItems
    first_row: int
    keys_n: npt.NDArray[np.uint64]
    segments: list[tuple[int, int, bool]]
    embedded_rows: npt.NDArray[np.int64]
    embeddings: npt.NDArray[np.float16] | None
    references: list[ReferenceItem]


@dataclass(slots=True)
class _Ahead:
    """What is prepared but not stored yet: the next row, and keys and reference texts of the group under way.

    ``done`` has the last sequence of every upload that was taken so far.
    """

    next_row: int
    contents: dict[int, int] = field(default_factory=dict)
    reserved: set[int] = field(default_factory=set)
    done: dict[str, int] = field(default_factory=dict)


class Ingest:
    """Collects the messages of all streams into group commits, one committer a project."""

    def __init__(
        self,
        store: StateStore,
        pools: Pools,
        executor: Executor,
        clock: Clock,
        limits: Limits,
        signals: Signals,
    ) -> None:
        self._store = store
        self._pools = pools
        self._executor = executor
        self._clock = clock
        self._limits = limits
        self._signals = signals
        self._queues: dict[ProjectId, asyncio.Queue[_Message]] = defaultdict(lambda: asyncio.Queue(maxsize=64))
        self._committers: dict[ProjectId, asyncio.Task[None]] = {}

    async def acknowledged(self, project: Project, upload: str) -> int:
        """Return the last sequence of an upload that is durable, 0 for a new upload."""
        return await self._store.read(lambda tx: tx.pool.acknowledged(project.id, upload))

    async def add(
        self, project: Project, upload: str, sequence: int, incoming: IncomingItems
    ) -> asyncio.Future[Receipt]:
        """Queue a message and return the future of its receipt; waits while too many messages are queued.

        Raises:
            InvalidArgument: a sequence below 1.
        """
        if sequence < 1:
            raise InvalidArgument.field("batch.sequence", f"counts from 1, got {sequence}")
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        await self._queues[project.id].put(_Message(project, upload, sequence, incoming, receipt))
        committer = self._committers.get(project.id)
        if committer is None or committer.done():
            self._committers[project.id] = asyncio.create_task(self._commit_all(project.id))
        return receipt

    async def drain(self) -> None:
        """Wait until everything queued is committed."""
        await asyncio.gather(*self._committers.values(), return_exceptions=True)

    async def _commit_all(self, project: ProjectId) -> None:
        queue = self._queues[project]
        while not queue.empty():
            try:
                await self._commit_for_a_while(project, queue)
            except DomainError:
                continue

    async def _commit_for_a_while(self, project: ProjectId, queue: asyncio.Queue[_Message]) -> None:
        """Commit what is queued, preparing each group while the one before it is being stored.

        Ends when the queue is empty, or after a while, so that other servers get their turn. When a group cannot be
        stored, the one prepared on top of it fails with it.
        """
        messages: Sequence[_Message] = ()
        storing: asyncio.Task[None] | None = None
        until = asyncio.get_running_loop().time() + TURN_S
        try:
            pool = await self._pools.open(project)
            async with pool.writing, self._exclusive_ingest(project):
                await self._pools.catch_up(pool)
                ahead = _Ahead(pool.index.next_row)
                try:
                    while not queue.empty() and asyncio.get_running_loop().time() < until:
                        messages = await _gather(queue)
                        await self._follow_sequences(project, messages, ahead)
                        group = await self._executor.run(lambda m=messages: _prepare(pool, m, self._limits, ahead))  # type: ignore[misc]
                        if storing is not None:
                            await storing
                        storing = asyncio.create_task(self._store_group(pool, messages, group))
                        messages = ()
                        if queue.empty():
                            await storing
                finally:
                    if storing is not None:
                        await asyncio.wait([storing])
                if storing is not None:
                    storing.result()
        except DomainError as error:
            _fail(messages or _waiting(queue), error)
            raise
        except Exception:
            _fail(messages or _waiting(queue), _not_stored())
            raise

    async def _store_group(self, pool: Pool, messages: Sequence[_Message], group: _Group) -> None:
        """Make a prepared group durable, then tell its senders."""
        try:
            shadows = await self._executor.run(lambda: self._shadows(pool, group))
            await self._append(pool, group)
            references = [*group.references, *shadows]
            await self._store.write(lambda tx: self._record(tx, pool, messages, group, references))
        except DomainError as error:
            _fail(messages, error)
            raise
        except Exception:
            _fail(messages, _not_stored())
            raise
        await self._executor.run(lambda: pool.index.add(group.keys_n, group.items.content_hashes, _rows_of(group)))
        pool.add_references(references)
        for message, receipt in zip(messages, group.receipts, strict=True):
            _answer(message, receipt)
        self._signals.notify(f"pool/{pool.project}")

    async def _follow_sequences(self, project: ProjectId, messages: Sequence[_Message], ahead: _Ahead) -> None:
        """Look up the last durable sequence of the uploads that are new to this turn."""
        new = {m.upload for m in messages} - set(ahead.done)
        if new:
            ahead.done |= await self._store.read(lambda tx: {u: tx.pool.acknowledged(project, u) for u in new})

    @contextlib.asynccontextmanager
    async def _exclusive_ingest(self, project: ProjectId) -> AsyncIterator[None]:
        """Hold the ingest of a project across all server processes."""
        while True:
            async with self._store.exclusive(f"ingest/{project}") as mine:
                if mine:
                    yield
                    return
            await self._signals.wait(f"ingest/{project}", 0.02)

    async def _append(self, pool: Pool, group: _Group) -> None:
        """Append texts and embeddings at the same time; both are durable when this returns."""
        arrays, project = self._pools.arrays, pool.project
        work = []
        if len(group.items.item_ids):
            work.append(self._executor.run(lambda: arrays.append_items(project, group.first_row, group.items)))
        if group.embeddings is not None:
            rows, matrix = group.embedded_rows, group.embeddings
            work.append(self._executor.run(lambda: arrays.append_embeddings(project, rows, matrix)))
        await asyncio.gather(*work)

    def _record(
        self,
        tx: Transaction,
        pool: Pool,
        messages: Sequence[_Message],
        group: _Group,
        references: Sequence[ReferenceItem],
    ) -> None:
        now = self._clock.now()
        tx.pool.lock(pool.project)
        if tx.pool.committed_rows(pool.project) != group.first_row:
            raise Aborted("another server took items into this pool at the same time; send the batch again")
        for first, count, embedded in group.segments:
            tx.pool.add_segment(Segment(pool.project, first, count, embedded, now))
        if references:
            tx.pool.add_references(pool.project, references)
        taken = zip(messages, group.receipts, strict=True)
        last = {message.upload: message.sequence for message, receipt in taken if isinstance(receipt, Receipt)}
        for upload, sequence in last.items():
            if sequence > tx.pool.acknowledged(pool.project, upload):
                tx.pool.acknowledge(pool.project, upload, sequence, now)

    def _shadows(self, pool: Pool, group: _Group) -> list[ReferenceItem]:
        """Find the pool's items that say the same as a reference item of this group."""
        new = {r.text_hash for r in group.references if r.split is not Split.SHADOWED}
        if not new or not group.first_row:
            return []
        found = []
        for item in self._pools.arrays.scan_items(pool.project, 0, group.first_row):
            text_hash = int(hash_texts([normalised(item.text)])[0])
            if text_hash in new and item.row not in pool.references:
                found.append(ReferenceItem(item.row, item.item_id, Split.SHADOWED, "", text_hash))
        return found


async def _gather(queue: asyncio.Queue[_Message]) -> list[_Message]:
    """Take what is queued, waiting a moment for a full group: larger commits are what pays for the disk syncs."""
    group = [queue.get_nowait()]
    rows = len(group[0].incoming.item_ids)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GATHER_S):
            while rows < GROUP_ROWS:
                message = await queue.get()
                group.append(message)
                rows += len(message.incoming.item_ids)
    return group


def _fail(group: Sequence[_Message], error: DomainError) -> None:
    for message in group:
        _answer(message, error)


def _answer(message: _Message, result: Receipt | DomainError) -> None:
    if message.receipt.done():
        return
    if isinstance(result, DomainError):
        message.receipt.set_exception(result)
    else:
        message.receipt.set_result(result)


def _rows_of(group: _Group) -> npt.NDArray[np.int64]:
    return np.arange(group.first_row, group.first_row + len(group.items.item_ids), dtype=np.int64)


def _waiting(queue: asyncio.Queue[_Message]) -> list[_Message]:
    """Take out what is queued."""
    return [queue.get_nowait() for _ in range(queue.qsize())]


def _not_stored() -> Unavailable:
    return Unavailable("the items could not be stored; send the batch again", retry_after_s=1.0)


def _prepare(pool: Pool, messages: Sequence[_Message], limits: Limits, ahead: _Ahead) -> _Group:
    """Check the messages, leave out what the pool has already, and lay out the rest as columns.

    A message after one that was not taken is not taken either: an acknowledged sequence stands for all before it.
    """
    seen: dict[int, int] = {}
    done = ahead.done
    receipts: list[Receipt | DomainError] = []
    kept: list[tuple[CheckedItems, list[int]]] = []
    for message in messages:
        if message.sequence > done[message.upload] + 1:
            receipts.append(_gap(message, done[message.upload]))
            continue
        try:
            checked = check_items(message.incoming, message.project, limits)
        except DomainError as error:
            receipts.append(error)
            continue
        done[message.upload] = max(done[message.upload], message.sequence)
        new, duplicates, conflicts = _new_items(pool, checked, ahead.contents, seen)
        if new:
            kept.append((checked, new))
        receipts.append(Receipt(message.sequence, len(new), duplicates, [*checked.errors, *conflicts]))
    group = _columns(pool, receipts, kept, ahead)
    ahead.next_row += len(group.items.item_ids)
    ahead.contents = seen
    ahead.reserved = {r.text_hash for r in group.references if r.split is not Split.SHADOWED}
    return group


def _new_items(
    pool: Pool, checked: CheckedItems, ahead: dict[int, int], seen: dict[int, int]
) -> tuple[list[int], int, list[ItemError]]:
    """Return the positions that are new, the number of exact duplicates, and the conflicting ones.

    ``ahead`` and ``seen`` map the keys of the group that is being stored and of this one to their contents.
    """
    rows, stored = pool.index.find(checked.keys_n)
    fresh = dict(zip(checked.keys_n.tolist(), checked.contents_n.tolist(), strict=True))
    known = rows >= 0
    if len(fresh) == len(rows) and not known.any() and fresh.keys().isdisjoint(seen) and fresh.keys().isdisjoint(ahead):
        seen |= fresh
        return list(range(len(rows))), 0, []
    new: list[int] = []
    duplicates = 0
    conflicts: list[ItemError] = []
    for i, (key, content) in enumerate(zip(checked.keys_n.tolist(), checked.contents_n.tolist(), strict=True)):
        present = int(stored[i]) if known[i] else ahead.get(key, seen.get(key))
        if present is None:
            seen[key] = content
            new.append(i)
        elif present == content:
            duplicates += 1
        else:
            conflicts.append(_conflict(checked.indexes[i], checked.item_ids[i]))
    return new, duplicates, conflicts


def _gap(message: _Message, done: int) -> Aborted:
    return Aborted(
        f"batch {message.sequence} came while batch {done + 1} is not stored; send the upload again from {done + 1}",
        reason="UPLOAD_GAP",
    )


def _conflict(place: int, item_id: str) -> ItemError:
    message = (
        f"items[{place}].id: {item_id!r} is in the pool with other content, which stays; "
        "use another id, or delete the item first"
    )
    return ItemError(place, item_id, "CONTENT_CONFLICT", message)


def _columns(
    pool: Pool, receipts: list[Receipt | DomainError], kept: Sequence[tuple[CheckedItems, list[int]]], ahead: _Ahead
) -> _Group:
    first_row = row = ahead.next_row
    ids: list[str] = []
    texts: list[str] = []
    metadata: list[str] = []
    segments: list[tuple[int, int, bool]] = []
    embedded_rows: list[npt.NDArray[np.int64]] = []
    embeddings: list[npt.NDArray[np.float16]] = []
    for checked, new in kept:
        whole = len(new) == len(checked.item_ids)
        ids += checked.item_ids if whole else [checked.item_ids[i] for i in new]
        texts += checked.texts if whole else [checked.texts[i] for i in new]
        metadata += checked.metadata if whole else [checked.metadata[i] for i in new]
        matrix = checked.embeddings_nD
        if matrix is not None:
            embeddings.append(matrix if whole else matrix[new])
            embedded_rows.append(np.arange(row, row + len(new), dtype=np.int64))
        _extend(segments, row, len(new), embedded=matrix is not None)
        row += len(new)
    return _Group(
        receipts=receipts,
        items=NewItems(ids, texts, metadata, _joined([c.contents_n[n] for c, n in kept])),
        first_row=first_row,
        keys_n=_joined([c.keys_n[n] for c, n in kept]),
        segments=segments,
        embedded_rows=np.concatenate(embedded_rows) if embedded_rows else np.empty(0, np.int64),
        embeddings=np.concatenate(embeddings) if embeddings else None,
        references=_references(pool.reference_hashes | ahead.reserved, kept, first_row),
    )


def _joined(parts: Sequence[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _extend(segments: list[tuple[int, int, bool]], row: int, count: int, *, embedded: bool) -> None:
    """Add rows to the last segment when it is of the same kind, else begin one."""
    if segments and segments[-1][2] == embedded:
        first, so_far, _ = segments[-1]
        segments[-1] = (first, so_far + count, embedded)
    else:
        segments.append((row, count, embedded))


def _references(known: set[int], kept: Sequence[tuple[CheckedItems, list[int]]], first_row: int) -> list[ReferenceItem]:
    """Return the holdout and gold items among the new ones, and the pool items that they or known ones shadow."""
    if not known and not any(any(checked.labels) for checked, _ in kept):
        return []
    new = [(checked, i) for checked, positions in kept for i in positions]
    hashes = hash_texts([normalised(checked.texts[i]) for checked, i in new]).tolist()
    splits = [checked.splits[i] for checked, i in new]
    reserved = known | {h for h, s in zip(hashes, splits, strict=True) if s is not Split.POOL}
    found = []
    for row, ((checked, i), split, text_hash) in enumerate(zip(new, splits, hashes, strict=True), start=first_row):
        if split is not Split.POOL:
            found.append(ReferenceItem(row, checked.item_ids[i], split, checked.labels[i], text_hash))
        elif text_hash in reserved:
            found.append(ReferenceItem(row, checked.item_ids[i], Split.SHADOWED, "", text_hash))
    return found

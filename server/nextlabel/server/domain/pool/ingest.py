"""Takes items into the pool: group-committed, durable before they are acknowledged, resumable, once.

Order of a group commit: append to the PoolStore, which syncs to disk, then commit rows, segments and sequences in the
StateStore, then acknowledge. A crash between the two leaves orphans, which opening the pool removes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

import structlog

from nextlabel.server.domain.pool.deletions import deleted, unless_deleted
from nextlabel.server.domain.pool.incoming import IncomingItems, said
from nextlabel.server.domain.pool.index import hash_texts
from nextlabel.server.domain.pool.ingest_group import Ahead, Group, Message, Receipt, prepare
from nextlabel.server.domain.pool.pools import KnownPool, Pools
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock, Executor
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.errors import Aborted, DomainError, InvalidArgument, Unavailable
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pool import ReferenceItem, Segment, Split
from nextlabel.server.values.projects.projects import Project

GROUP_ROWS = 10_000
GATHER_S = 0.02
TURN_S = 2.0
_MOST_QUEUED = 64
UNEMBEDDED = "unembedded"
"""Topic of the signal that a segment waits for its embedding."""
_log = structlog.get_logger(__name__)


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
        # Weakly held: a queue goes with the last of those who put into it and the one who empties it.
        self._queues: WeakValueDictionary[ProjectId, asyncio.Queue[Message]] = WeakValueDictionary()
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
        queue = self._queues.setdefault(project.id, asyncio.Queue(maxsize=_MOST_QUEUED))
        await queue.put(Message(project, upload, sequence, incoming, receipt))
        if project.id not in self._committers:
            self._committers[project.id] = asyncio.create_task(self._commit_all(project.id, queue))
        return receipt

    async def drain(self) -> None:
        """Wait until everything queued is committed."""
        await asyncio.gather(*self._committers.values(), return_exceptions=True)

    async def _commit_all(self, project: ProjectId, queue: asyncio.Queue[Message]) -> None:
        try:
            while not queue.empty():
                try:
                    await self._commit_for_a_while(project, queue)
                except DomainError:
                    continue
                except Exception:  # noqa: BLE001  (its senders know; those still in the queue wait for the next turn)
                    _log.exception("ingest_failed", project=project)
        finally:
            del self._committers[project]

    async def _commit_for_a_while(self, project: ProjectId, queue: asyncio.Queue[Message]) -> None:
        """Commit what is queued, preparing each group while the one before it is being stored.

        Ends when the queue is empty, or after a while, so that other servers get their turn. When a group cannot be
        stored, the one prepared on top of it fails with it.
        """
        messages: Sequence[Message] = ()
        storing: asyncio.Task[None] | None = None
        until = asyncio.get_running_loop().time() + TURN_S
        try:
            pool = await self._pools.open(project)
            async with unless_deleted(self._store, project), pool.writing, self._store.held(f"ingest/{project}"):
                # Rows appended for a project that is gone would stay: who removes its files waits for this lock.
                of = await self._store.read(lambda tx: tx.projects.by_id(project))
                if of is None:
                    raise deleted()
                await self._pools.catch_up(pool)
                ahead = Ahead(pool.index.next_row)
                try:
                    while not queue.empty() and asyncio.get_running_loop().time() < until:
                        messages = [_for_model(message, of) for message in await _gather(queue)]
                        await self._follow_sequences(project, messages, ahead)
                        group = await self._executor.run(lambda m=messages: prepare(pool, m, self._limits, ahead))  # type: ignore[misc]
                        if storing is not None:
                            await storing
                        storing = asyncio.create_task(self._store_group(pool, of, messages, group))
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

    async def _store_group(self, pool: KnownPool, of: Project, messages: Sequence[Message], group: Group) -> None:
        """Make a prepared group durable, then tell its senders."""
        try:
            async with unless_deleted(self._store, pool.project):
                shadows = await self._executor.run(lambda: self._shadows(pool, group))
                await self._append(of, group)
                references = [*group.references, *shadows]
                embedded = await self._store.write(lambda tx: self._record(tx, of, messages, group, references))
        except DomainError as error:
            _fail(messages, error)
            raise
        except Exception:
            _fail(messages, _not_stored())
            raise
        await self._executor.run(lambda: pool.index.add(group.keys_n, group.items.content_hashes, group.rows_n))
        pool.add_references(references)
        for message, receipt in zip(messages, group.receipts, strict=True):
            _answer(message, receipt)
        self._signals.notify(f"pool/{pool.project}")
        if not embedded:
            self._signals.notify(UNEMBEDDED)

    async def _follow_sequences(self, project: ProjectId, messages: Sequence[Message], ahead: Ahead) -> None:
        """Look up the last durable sequence of the uploads that are new to this turn."""
        new = {m.upload for m in messages} - set(ahead.done)
        if new:
            ahead.done |= await self._store.read(lambda tx: {u: tx.pool.acknowledged(project, u) for u in new})

    async def _append(self, project: Project, group: Group) -> None:
        """Append texts and embeddings at the same time; both are durable when this returns, and none is under way."""
        arrays = self._pools.arrays
        work = []
        if len(group.items.item_ids):
            work.append(self._executor.run(lambda: arrays.append_items(project.id, group.first_row, group.items)))
        if group.embeddings is not None:
            rows, matrix = group.embedded_rows, group.embeddings
            work.append(self._executor.run(lambda: arrays.append_embeddings(project.embeddings, rows, matrix)))
        # Who removes the files of a deleted project must not meet the one that goes on after the other has failed.
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _record(
        self,
        tx: Transaction,
        project: Project,
        messages: Sequence[Message],
        group: Group,
        references: Sequence[ReferenceItem],
    ) -> bool:
        """Record what was appended; return whether all of it has embeddings."""
        now, of = self._clock.now(), project.id
        tx.pool.lock(of)
        if tx.pool.committed_rows(of) != group.first_row:
            raise Aborted("another server took items into this pool at the same time; send the batch again")
        known = tx.projects.by_id(of)
        # Embeddings by the model that was taken over from a moment ago are made anew.
        current = known is not None and known.embedding_version == project.embedding_version
        for first, count, embedded in group.segments:
            tx.pool.add_segment(Segment(of, first, count, embedded and current, now))
        if references:
            tx.pool.add_references(of, references)
        taken = zip(messages, group.receipts, strict=True)
        last = {message.upload: message.sequence for message, receipt in taken if isinstance(receipt, Receipt)}
        for upload, sequence in last.items():
            if sequence > tx.pool.acknowledged(of, upload):
                tx.pool.acknowledge(of, upload, sequence, now)
        return current and all(embedded for _, _, embedded in group.segments)

    def _shadows(self, pool: KnownPool, group: Group) -> list[ReferenceItem]:
        """Find the pool's items that say the same as a reference item of this group."""
        new = {r.text_hash for r in group.references if r.split.has_answer}
        if not new or not group.first_row:
            return []
        found = []
        for item in self._pools.arrays.scan_items(pool.project, 0, group.first_row):
            text_hash = int(hash_texts([said(item.text, item.metadata)])[0])
            if text_hash in new and item.row not in pool.references:
                found.append(ReferenceItem(item.row, item.item_id, Split.SHADOWED, "", text_hash))
        return found


def _for_model(message: Message, project: Project) -> Message:
    """Return a message without its embeddings where they were made for a model that another one took over from."""
    if message.project.embedding_version == project.embedding_version:
        return message
    return replace(message, incoming=replace(message.incoming, embeddings_nD=None))


async def _gather(queue: asyncio.Queue[Message]) -> list[Message]:
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


def _fail(group: Sequence[Message], error: DomainError) -> None:
    for message in group:
        _answer(message, error)


def _answer(message: Message, result: Receipt | DomainError) -> None:
    if message.receipt.done():
        return
    if isinstance(result, DomainError):
        message.receipt.set_exception(result)
    else:
        message.receipt.set_result(result)


def _waiting(queue: asyncio.Queue[Message]) -> list[Message]:
    """Take out what is queued."""
    return [queue.get_nowait() for _ in range(queue.qsize())]


def _not_stored() -> Unavailable:
    return Unavailable("the items could not be stored; send the batch again", retry_after_s=1.0)

"""The pools as this process knows them: which ids they hold, and which rows must neither be asked nor trained on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.pool.grouped_reads import MOST_ROWS, GroupedReads
from nextlabel.server.domain.pool.index import Hashes, PoolIndex, hash_texts
from nextlabel.server.domain.pool.recent_items import RecentItems
from nextlabel.server.domain.pool.soundness import damage, damaged_items
from nextlabel.server.ports.pool_store import PoolStore, Rows, StoredItem
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Executor
from nextlabel.server.system.shared_reads import SharedReads
from nextlabel.server.values.errors import NotFound
from nextlabel.server.values.ids import EmbeddingsId, ProjectId, embeddings_of
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.pool import ReferenceItem, Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.projects.re_embedding import ReEmbeddingState


@dataclass(slots=True)
class KnownPool:
    """What is cached of one project's pool. The database stays the arbiter; this follows it."""

    project: ProjectId
    index: PoolIndex = field(default_factory=PoolIndex)
    references: dict[int, ReferenceItem] = field(default_factory=dict)
    reference_hashes: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    last_deletion: int = 0
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    deletion_reads: SharedReads[None] = field(default_factory=SharedReads)
    recent: RecentItems = field(default_factory=RecentItems)

    def add_references(self, items: Sequence[ReferenceItem]) -> None:
        """Take note of items apart, such as holdout and gold ones."""
        for item in items:
            self.references[item.row] = item
            if item.split.has_answer:
                self.reference_hashes.add(item.text_hash)

    def forget(self, rows: Sequence[int]) -> None:
        """Take note of deleted rows."""
        self.deleted.update(rows)
        self.recent.forget(rows)
        gone = [self.references.pop(row) for row in rows if row in self.references]
        if any(item.split.has_answer for item in gone):
            kept = self.references.values()
            self.reference_hashes = {item.text_hash for item in kept if item.split.has_answer}

    def find(self, keys_n: Hashes) -> tuple[Rows, Hashes]:
        """Return rows (−1 where an id is unknown or its item deleted) and content hashes of n hashed ids."""
        rows_n, contents_n = self.index.find(keys_n)
        if self.deleted:
            rows_n[[row in self.deleted for row in rows_n.tolist()]] = -1
        return rows_n, contents_n

    def damaged(self, items: Sequence[StoredItem]) -> Sequence[StoredItem]:
        """Return the items whose id or content is not what was committed."""
        known = [item for item in items if item.row < self.index.next_row]
        keys_n = hash_texts([item.item_id for item in known])
        rows_n, contents_n = self.index.find(keys_n)
        strange = rows_n != np.fromiter((item.row for item in known), np.int64, len(known))
        wrong = [known[i] for i in np.flatnonzero(strange).tolist()]
        return wrong + damaged_items(
            [item for item, is_strange in zip(known, strange.tolist(), strict=True) if not is_strange],
            keys_n[~strange],
            contents_n[~strange],
            self.references,
        )

    @property
    def gold(self) -> dict[int, ReferenceItem]:
        """The gold items by row."""
        return {row: item for row, item in self.references.items() if item.split is Split.GOLD}

    @property
    def unpaired(self) -> bool:
        """True where pairs can be made of single texts."""
        return any(item.split is Split.UNPAIRED for item in self.references.values())

    def unusable_rows(self) -> Rows:
        """Return the rows that are never asked or trained on: items apart, and deleted ones, ascending."""
        return np.unique(np.fromiter((*self.references, *self.deleted), np.int64))


class Pools:
    """Opens pools on first use: removes what a crash left over, then loads the index.

    ``alone``: no other process deletes items, so that nobody has to be asked for deletions at every use.
    """

    def __init__(self, store: StateStore, arrays: PoolStore, executor: Executor, *, alone: bool = False) -> None:
        self._store = store
        self.arrays = arrays
        self._executor = executor
        self._alone = alone
        self._open: dict[ProjectId, asyncio.Task[KnownPool]] = {}
        self._reads: dict[ProjectId, GroupedReads] = {}

    async def open(self, project: ProjectId) -> KnownPool:
        """Return a project's pool, with all that this process has added and all that any process has deleted."""
        task = self._open.get(project)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.get_running_loop().create_task(self._load(project))
            self._open[project] = task
            self._reads[project] = GroupedReads(partial(self._read_items, project))
        pool = await asyncio.shield(task)
        if not self._alone:
            await self._follow_deletions(pool)
        return pool

    async def close(self, project: ProjectId) -> None:
        """Forget a deleted project and remove its arrays."""
        self._open.pop(project, None)
        self._reads.pop(project, None)
        await self._executor.run(lambda: self.arrays.drop(project))

    async def catch_up(self, pool: KnownPool) -> None:
        """Take note of what other processes have committed; the caller holds ``pool.writing``."""
        await self._follow_deletions(pool)
        known = pool.index.next_row

        def added(tx: Transaction) -> tuple[int, Sequence[ReferenceItem]]:
            committed = tx.pool.committed_rows(pool.project)
            return committed, () if committed == known else tx.pool.references(pool.project)

        committed, references = await self._store.read(added)
        if committed == known:
            return
        pool.add_references(references)
        await self._executor.run(lambda: self._load_keys(pool, committed))

    async def _follow_deletions(self, pool: KnownPool) -> None:
        await pool.deletion_reads.get(pool.project, lambda: self._read_deletions(pool))

    async def _read_deletions(self, pool: KnownPool) -> None:
        known = pool.last_deletion

        def news(tx: Transaction) -> tuple[int, Sequence[int]]:
            last = tx.pool.last_deletion(pool.project)
            return last, tx.pool.deleted_after(pool.project, known) if last > known else ()

        last, deleted = await self._store.read(news)
        pool.forget(deleted)
        pool.last_deletion = max(pool.last_deletion, last)

    @contextlib.asynccontextmanager
    async def selecting(self, project: ProjectId) -> AsyncIterator[None]:
        """Keep other selections of a project out, on every server, until the batch is recorded."""
        async with self._store.held(f"select/{project}"):
            yield

    async def find(self, project: ProjectId, item_ids: Sequence[str]) -> Rows:
        """Return the rows of items, −1 where an id is unknown or deleted."""
        pool = await self.open(project)
        rows, _ = pool.find(hash_texts(item_ids))
        if (rows < 0).any():
            async with pool.writing:
                await self.catch_up(pool)
            rows, _ = pool.find(hash_texts(item_ids))
        return rows

    async def delete(
        self,
        project: ProjectId,
        item_ids: Sequence[str],
        at: datetime,
        also: Callable[[Transaction, Sequence[str]], None] | None = None,
    ) -> Sequence[str]:
        """Delete items for good, texts and embeddings included; return the ids that are in no item.

        Annotations of them stay in the books but no longer train. ``also`` is done in the transaction that deletes.
        """
        # A caller that goes away in between would leave items in this process that the database has deleted.
        return await asyncio.shield(asyncio.create_task(self._delete(project, item_ids, at, also)))

    async def _delete(
        self,
        project: ProjectId,
        item_ids: Sequence[str],
        at: datetime,
        also: Callable[[Transaction, Sequence[str]], None] | None,
    ) -> Sequence[str]:
        pool = await self.open(project)
        async with pool.writing:
            await self.catch_up(pool)
            rows, _ = pool.find(hash_texts(item_ids))
            known = np.unique(rows[rows >= 0]).tolist()
            unknown = [item_id for item_id, row in zip(item_ids, rows.tolist(), strict=True) if row < 0]

            def work(tx: Transaction) -> None:
                if known:
                    tx.pool.delete_rows(project, known, at)
                if also is not None:
                    also(tx, unknown)

            await self._store.write(work)
            if known:
                pool.forget(known)
                for made in await self._store.read(lambda tx: _made(tx, project)):
                    await self._executor.run(lambda of=made: self.arrays.delete(of, known))  # type: ignore[misc]
        return unknown

    async def items(self, project: ProjectId, rows: Sequence[int]) -> Sequence[StoredItem]:
        """Return items in the order of ``rows``, deleted ones left out.

        Raises:
            DataLoss: one is not what was committed.
        """
        pool = await self.open(project)
        wanted = [row for row in rows if row not in pool.deleted]
        items = pool.recent.among(wanted)
        if missing := [row for row in wanted if row not in items]:
            found = await self._reads[project].items(missing)
            if damaged := pool.damaged(found):
                raise damage(damaged)
            if len(rows) <= MOST_ROWS:
                # What is not in the index yet could not be checked; what was deleted meanwhile must not come back.
                pool.recent.keep(i for i in found if i.row < pool.index.next_row and i.row not in pool.deleted)
            items |= {item.row: item for item in found}
        return [items[row] for row in wanted if row in items]

    async def _read_items(self, project: ProjectId, rows: Sequence[int]) -> Sequence[StoredItem]:
        return await self._executor.run(lambda: self.arrays.items(project, rows))

    async def item(self, project: ProjectId, item_id: str) -> StoredItem:
        """Return one item by its id, or raise NotFound."""
        row = int((await self.find(project, [item_id]))[0])
        found = await self.items(project, [row]) if row >= 0 else ()
        if not found or found[0].item_id != item_id:
            raise NotFound("item", item_id)
        return found[0]

    async def embeddings(self, project: Project, rows: Sequence[int]) -> npt.NDArray[np.float16]:
        """Return embeddings in the order of ``rows``; NotFound when one has none yet.

        They are those of the project as the caller knows it, also when another model has taken over meanwhile.
        """
        await self.open(project.id)
        return await self._executor.run(lambda: self.arrays.embeddings(project.embeddings, rows))

    async def to_annotate(self, project: Project, rows: Sequence[int]) -> list[ItemToAnnotate]:
        """Return embedded items as annotators see them, in the order of ``rows``, deleted ones left out.

        Raises:
            NotFound: one has no embedding yet.
        """
        stored = await self.items(project.id, rows)
        if not stored:
            return []
        embeddings = await self.embeddings(project, [item.row for item in stored])
        return [
            replace(as_asked(item), embedding=tuple(map(float, vector)))
            for item, vector in zip(stored, embeddings, strict=True)
        ]

    async def _load(self, project: ProjectId) -> KnownPool:
        pool = KnownPool(project)

        def references(tx: Transaction) -> tuple[int, Sequence[ReferenceItem], Sequence[int]]:
            return tx.pool.last_deletion(project), tx.pool.references(project), tx.pool.deleted_rows(project)

        def committed(tx: Transaction) -> tuple[int, list[tuple[int, int]]]:
            embedded = [(s.first_row, s.row_count) for s in tx.pool.segments(project, embedded=True)]
            return tx.pool.committed_rows(project), embedded

        async with self._store.exclusive(f"ingest/{project}") as mine, self._store.exclusive(f"embed/{project}") as too:
            of, (rows, embedded), (pool.last_deletion, items, deleted) = await self._store.read(
                lambda tx: (tx.projects.by_id(project), committed(tx), references(tx))
            )
            pool.add_references(items)
            pool.forget(deleted)
            # Only who keeps all others from appending may tell a crash's orphan from somebody's append under way.
            if mine and too and of is not None:
                await self._executor.run(lambda: self._recover(of.embeddings, rows, embedded, deleted))
        await self._executor.run(lambda: self._load_keys(pool, rows))
        return pool

    def _recover(
        self, of: EmbeddingsId, rows: int, embedded: Sequence[tuple[int, int]], deleted: Sequence[int]
    ) -> None:
        self.arrays.recover(of, rows, embedded)
        if deleted:
            self.arrays.delete(of, deleted)

    def _load_keys(self, pool: KnownPool, committed: int) -> None:
        self.arrays.refresh(pool.project)
        for block in self.arrays.scan_keys(pool.project, pool.index.next_row):
            mine = block.rows_n < committed
            ids = [i for i, keep in zip(block.item_ids, mine, strict=True) if keep]
            pool.index.add(hash_texts(ids), block.content_hashes_n[mine], block.rows_n[mine])
        pool.index.next_row = committed


def _made(tx: Transaction, project: ProjectId) -> list[EmbeddingsId]:
    """Return all embeddings that there may be of a project: another model may be taking over, or just have."""
    of, other = tx.projects.by_id(project), tx.projects.re_embedding(project)
    current = of.embedding_version if of else 0
    if other is None or other.state is ReEmbeddingState.TIDY:
        return [embeddings_of(project, current)]
    versions = range(max(current, other.version) + 1)
    return [embeddings_of(project, version) for version in versions]


def as_asked(item: StoredItem) -> ItemToAnnotate:
    """Return an item as annotators see it, without an embedding."""
    pair = item.pair
    return ItemToAnnotate(item.item_id, item.row, item.text, alternatives=None if pair is None else (pair.a, pair.b))


def all_projects(tx: Transaction) -> list[ProjectId]:
    """Return the ids of all projects."""
    return [project.id for project in tx.projects.every()]

"""Embeds in the background what came into the pools without embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from nextlabel.server.domain.pool.ingest import UNEMBEDDED
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.learners.embedding.cache import TextEmbedder
from nextlabel.server.learners.embedding.encoders import Encoders
from nextlabel.server.learners.embedding.weights import differ, with_weights
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock, Executor
from nextlabel.server.system.signals import Signals
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.ids import EmbeddingsId, ProjectId, project_of
from nextlabel.server.values.pool import Segment
from nextlabel.server.values.projects.projects import Project

_log = structlog.get_logger(__name__)
CHUNK_ROWS = 1_024
"""Rows that each process embeds between two reports of progress."""

AT_ONCE = 4
"""Projects that are embedded side by side: the vectors of a segment of each are in memory."""

MOST_PROCESSES = 64
"""Processes that rows are read for at a time: their texts are in memory."""


@dataclass(slots=True, kw_only=True)
class Embedding:
    """One background task that embeds all projects' waiting segments, and callers' texts before them.

    Projects are embedded side by side, a chunk in turn, so that a few texts do not wait for all of a large pool: those
    with the fewest waiting first, and of each the oldest segment.

    `background` and `callers` are threads of their own, so that nobody waits for a segment to end. `processes` says how
    many processes embed at present.
    """

    store: StateStore
    pools: Pools
    background: Executor
    callers: Executor
    clock: Clock
    signals: Signals
    encoders: Encoders
    processes: Callable[[], int] = lambda: 1
    _underway: dict[ProjectId, int] = field(init=False, default_factory=dict)
    _rate: dict[ProjectId, float] = field(init=False, default_factory=dict)
    _weights: dict[TextEmbedder, str] = field(init=False, default_factory=dict)

    def underway(self, project: ProjectId) -> int:
        """Return how many rows of the current segment are embedded but not yet durable."""
        return self._underway.get(project, 0)

    def rate(self, project: ProjectId) -> float:
        """Return rows embedded per second, measured over the last chunk; 0 when idle."""
        return self._rate.get(project, 0.0)

    @property
    def rows_at_once(self) -> int:
        """How many rows to read and embed between two reports of progress, by all processes together."""
        return CHUNK_ROWS * min(self.processes(), MOST_PROCESSES)

    async def dimension(self, embedder: TextEmbedder) -> int:
        """Return the length of a model's vectors; where its files do not say it, the first call loads the model."""
        return await self.callers.run(lambda: embedder.dimension)

    async def weights(self, embedder: TextEmbedder) -> str:
        """Return the fingerprint of a model's weights, '' where no files say it; the first call reads them."""
        if embedder not in self._weights:
            self._weights[embedder] = await self.callers.run(lambda: embedder.fingerprint)
        return self._weights[embedder]

    async def embedder(self, project: Project) -> TextEmbedder:
        """Return what embeds the texts of a project, which goes by these weights from its first texts on.

        Raises:
            FailedPrecondition: the project takes embeddings, or a model, or weights of it, that this server lacks made
                those that it has: vectors of two models mean nothing beside each other.
        """
        embedder = self._named(project)
        found = await self.weights(embedder)
        if found and not project.embedding_fingerprint:
            project = await self.store.write(lambda tx: _noted(tx, project, found))
        _check_weights(project, embedder.name, found)
        return embedder

    async def check(self, project: Project) -> None:
        """Check that texts of a project are embedded here; raises what `embedder` does."""
        embedder = self._named(project)
        if project.embedding_fingerprint:
            _check_weights(project, embedder.name, await self.weights(embedder))

    def _named(self, project: Project) -> TextEmbedder:
        if not project.embedding_model:
            raise FailedPrecondition(
                f"project {project.name} takes given embeddings; the server has no embedder for it",
                reason="EMBEDDINGS_GIVEN",
            )
        embedder = self.encoders.named(project.embedding_model)
        if embedder is None:
            raise FailedPrecondition(
                f"texts of project {project.name} are embedded by {project.embedding_model!r}, and this server has "
                f"{self.encoders.said}; start it with {project.embedding_model!r} in embedding.models, or have a model "
                f"that it has take over: nextlabel project re-embed {project.name} --model NAME",
                reason="EMBEDDER_CHANGED",
            )
        return embedder

    async def embed_texts(self, project: Project, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        """Embed texts of a project for a caller.

        Raises:
            FailedPrecondition: texts of the project are not embedded here; see `embedder`.
        """
        embedder = await self.embedder(project)
        return await self.callers.run(lambda: embedder.embed(texts, urgent=True))

    async def run(self, on_error: Callable[[BaseException], None], poll_s: float = 5.0) -> None:
        """Embed until cancelled; an error is reported and tried again at the next wake-up."""
        with self.signals.listening(UNEMBEDDED) as more:
            hearing: asyncio.Task[None] | None = None
            at_work: dict[asyncio.Task[bool], ProjectId] = {}
            set_aside: set[ProjectId] = set()
            try:
                while True:
                    try:
                        for project in await self._next({*at_work.values()}, set_aside):
                            at_work[asyncio.create_task(self._embed_next(project))] = project
                    except Exception as error:  # noqa: BLE001  (the work outlives a failing database)
                        on_error(error)
                    hearing = hearing or asyncio.create_task(more.wait(poll_s))
                    await asyncio.wait({hearing, *at_work}, return_when=asyncio.FIRST_COMPLETED)
                    for task in [one for one in at_work if one.done()]:
                        project = at_work.pop(task)
                        if not _embedded(task, on_error):
                            set_aside.add(project)
                    if hearing.done():
                        hearing = None
                        set_aside.clear()
            finally:
                await _end([*at_work, *([hearing] if hearing else [])])

    async def _next(self, at_work: Set[ProjectId], set_aside: Set[ProjectId]) -> Sequence[ProjectId]:
        """Return the projects to begin with, those with the fewest waiting rows first."""
        waiting = await self.store.read(lambda tx: tx.pool.awaiting())
        others = sorted(waiting.keys() - at_work - set_aside, key=lambda project: (waiting[project], project))
        return others[: AT_ONCE - len(at_work)]

    async def _embed_next(self, project: ProjectId) -> bool:
        """Embed the oldest waiting segment of a project; False when there is none, or another server embeds it."""
        async with self.store.exclusive(f"embed/{project}") as mine:
            if not mine:
                return False
            of, waiting = await self.store.read(
                lambda tx: (tx.projects.by_id(project), tx.pool.segments(project, embedded=False))
            )
            if of is None or not waiting:
                return False
            try:
                embedder = await self.embedder(of)
            except FailedPrecondition as error:
                # Another server may have the model; who adds or watches is told.
                _log.warning("not_embedded", project=project, problem=str(error))
                return False
            try:
                await self._embed(of, waiting[0], embedder)
            finally:
                self._underway.pop(project, None)
                self._rate.pop(project, None)
        self.signals.notify(f"pool/{project}")
        return True

    async def _embed(self, of: Project, segment: Segment, embedder: TextEmbedder) -> None:
        project, pairs = of.id, task_type(of.annotation_type).pairs
        pool = await self.pools.open(project)
        stop = segment.first_row + segment.row_count
        parts: list[npt.NDArray[np.float16]] = []
        rows: list[int] = []
        arrays = self.pools.arrays
        step = self.rows_at_once
        for first in range(segment.first_row, stop, step):
            last = min(first + step, stop)
            items = await self.background.run(lambda a=first, b=last: list(arrays.scan_items(project, a, b)))  # type: ignore[misc]
            items = [item for item in items if item.row not in pool.deleted]
            if not items:
                continue
            began = self.clock.now()
            parts.append(await self.background.run(lambda some=items: item_vectors(embedder, some, pairs=pairs)))  # type: ignore[misc]
            seconds = (self.clock.now() - began).total_seconds()
            rows += [item.row for item in items]
            self._rate[project] = len(items) / seconds if seconds > 0 else 0.0
            self._underway[project] = len(rows)
            self.signals.notify(f"pool/{project}")
        if parts:
            matrix, row_array = np.concatenate(parts), np.asarray(rows, np.int64)
            await self.background.run(lambda: arrays.append_embeddings(of.embeddings, row_array, matrix))

        def mark(tx: Transaction) -> None:
            known = tx.projects.by_id(project)
            if known is not None and known.embedding_version == of.embedding_version:
                tx.pool.mark_embedded(project, segment.first_row)

        await self.store.write(mark)
        await self.drop_deleted(of.embeddings, rows)

    async def drop_deleted(self, of: EmbeddingsId, rows: Sequence[int]) -> None:
        """Remove the embeddings of items that were deleted while they were made."""
        deleted = (await self.pools.open(project_of(of))).deleted
        gone = [row for row in rows if row in deleted]
        if gone:
            await self.background.run(lambda: self.pools.arrays.delete(of, gone))

    async def wait(self, project: Project) -> None:
        """Return when nothing of a project waits for its embedding.

        Raises:
            FailedPrecondition: something waits that another model, or other weights of it, have to embed.
        """
        with self.signals.listening(f"pool/{project.id}") as news:
            while await self.store.read(lambda tx: bool(tx.pool.segments(project.id, embedded=False))):
                await self.check(project)
                self.signals.notify(UNEMBEDDED)
                await news.wait(1.0)


def _noted(tx: Transaction, project: Project, found: str) -> Project:
    """Return a project with the weights that it goes by: those found, where no other server noted any."""
    tx.pool.lock(project.id)
    known = tx.projects.by_id(project.id)
    if known is None or known.embedding_version != project.embedding_version:
        # Another model has taken over; who began before it ends as it began.
        return project
    if not known.embedding_fingerprint:
        known = replace(known, embedding_fingerprint=found)
        tx.projects.use_embeddings(known)
    return replace(project, embedding_fingerprint=known.embedding_fingerprint)


def _check_weights(project: Project, name: str, found: str) -> None:
    noted = project.embedding_fingerprint
    if differ(noted, found):
        raise FailedPrecondition(
            f"texts of project {project.name} are embedded by {with_weights(project.embedding_model, noted)}, and this "
            f"server has {with_weights(name, found)}, whose vectors mean nothing beside those; bring the former "
            f"files back, or have these take over: nextlabel project re-embed {project.name} --model {Path(name).name}",
            reason="EMBEDDER_CHANGED",
        )


def _embedded(ended: asyncio.Task[bool], on_error: Callable[[BaseException], None]) -> bool:
    """Return whether a task embedded a segment; one damaged pool must not stop the others' embedding."""
    error = ended.exception()
    if error is not None:
        on_error(error)
    return error is None and ended.result()


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def item_vectors(embedder: TextEmbedder, items: Sequence[StoredItem], *, pairs: bool) -> npt.NDArray[np.float16]:
    """Embed items of one project: texts, or pairs of texts, where a single one is beside itself."""
    if not pairs:
        return embedder.embed([item.text for item in items])
    sides = [side for item in items for side in ((item.pair.a, item.pair.b) if item.pair else (item.text,) * 2)]
    place = {side: i for i, side in enumerate(dict.fromkeys(sides))}
    return side_by_side(embedder.embed(list(place))[[place[side] for side in sides]])


def side_by_side(embeddings_2nD: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
    """Return the embeddings of n pairs, (n, 2D) of unit length, of those of their texts: two by two, of unit length.

    >>> side_by_side(np.eye(2, dtype=np.float16)).tolist()
    [[0.70703125, 0.0, 0.0, 0.70703125]]
    """
    texts, dimension = embeddings_2nD.shape
    both = embeddings_2nD.reshape(texts // 2, 2 * dimension).astype(np.float32)
    return np.asarray(both * np.float32(0.5**0.5), np.float16)

"""Drops what is left of deleted projects outside of the StateStore: caches, model files, the pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.ids import ProjectId

_log = structlog.get_logger(__name__)


class Kept(Protocol):
    """What is kept of projects in memory, or can be made again."""

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project.

        Raises:
            OSError: something of it is left on the disk.
        """
        ...


class Removal:
    """Texts and embeddings go when their project goes, at the latest after the next start."""

    def __init__(self, store: StateStore, kept: Sequence[Kept], learning: Learning, pools: Pools) -> None:
        self._store = store
        self._kept = kept
        self._learning = learning
        self._pools = pools

    async def drop(self, project: ProjectId) -> None:
        """Drop all that can be dropped now of a deleted project; dropping again changes nothing.

        Work that is under way, here or on another server, and a disk that fails may leave something: `drop_left_over`
        drops that.
        """
        try:
            await self._drop(project)
        except OSError:
            _log.warning("files_of_a_deleted_project_left", project=project, exc_info=True)

    async def drop_left_over(self) -> None:
        """Drop for good what is left of deleted projects that nobody works on any more.

        Raises:
            OSError: something cannot be removed; its project is tried again the next time.
        """
        for project in await self._store.read(lambda tx: tx.projects.undropped()):
            locks = [self._store.exclusive(f"{work}/{project}") for work in ("ingest", "embed", "re-embed", "train")]
            async with locks[0] as ingest, locks[1] as embed, locks[2] as other, locks[3] as train:
                if ingest and embed and other and train:
                    await self._drop(project)
                    await self._store.write(lambda tx, gone=project: tx.projects.mark_dropped(gone))  # type: ignore[misc]

    async def _drop(self, project: ProjectId) -> None:
        for kept in self._kept:
            kept.forget(project)
        try:
            self._learning.forget(project)
        finally:
            await self._pools.close(project)

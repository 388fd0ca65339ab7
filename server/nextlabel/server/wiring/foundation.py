"""What every part of a server stands on: stores, threads, time, limits."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version

import structlog

from nextlabel.server.compute.ray_cluster.cluster import RayCluster
from nextlabel.server.compute.threads import Threads
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Clock
from nextlabel.server.settings.settings import Settings
from nextlabel.server.store.derived_files import DerivedFiles
from nextlabel.server.store.lance_pool.file_cache import FileCache
from nextlabel.server.store.lance_pool.pool_store import LONGEST_SCAN, LancePoolStore
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.system.background import Background
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.limits import Limits
from nextlabel.server.wiring.ray import ray_cluster

_log = structlog.get_logger(__name__)
_DISK_THREADS = 4
_CALLER_THREADS = 4
_WAITING_THREADS = 32
_NICENESS = 5


@dataclass(frozen=True, slots=True)
class Workers:
    """Threads by what they are for. `callers` embed texts that somebody waits for, `embed` what nobody does, and
    `waiting` wait for what other processes do.

    `stopping` is set when they are closed: what nobody waits for, and can be done again, then ends early.
    """

    compute: Threads
    disk: Threads
    embed: Threads
    callers: Threads
    waiting: Threads
    stopping: threading.Event = field(default_factory=threading.Event)

    async def close(self) -> None:
        """Wait for work under way, drop what is queued."""
        self.stopping.set()
        for threads in (self.waiting, self.compute, self.embed, self.callers, self.disk):
            await asyncio.to_thread(threads.close)


@dataclass(frozen=True, slots=True)
class Foundation:
    """What the parts share. `alone` says that no other server uses the same database."""

    settings: Settings
    store: StateStore
    arrays: LancePoolStore
    derived: DerivedFiles
    clock: Clock
    limits: Limits
    signals: Signals
    workers: Workers
    background: Background
    alone: bool
    cluster: RayCluster | None = None


def open_foundation(settings: Settings) -> Foundation:
    """Open the stores, bringing the database up to date. Blocks.

    Raises:
        DomainError: the data directory is in use, not writable, or of a newer version; the pool's object store cannot
            be reached, or would lose what is written.
    """
    cluster = ray_cluster(settings.compute)
    url = settings.store_url
    alone = url.startswith("sqlite") and settings.workers == 1
    keep_versions = timedelta(0) if alone else LONGEST_SCAN
    if settings.store.pool_url:
        # Before anything is opened that a refusal would leave open.
        LancePoolStore(settings.pool_root, keep_versions=keep_versions).check_commits()
    store = open_state_store(url, shared=settings.workers > 1)
    return Foundation(
        settings=settings,
        store=store,
        # Whoever holds the data directory makes the folders in it.
        arrays=LancePoolStore(settings.pool_root, keep_versions=keep_versions, cache=_cache(settings)),
        derived=DerivedFiles(settings.data_dir / "derived", store, version("nextlabel")),
        clock=SystemClock(),
        limits=settings.limits.limits(),
        signals=Signals(),
        workers=Workers(
            compute=Threads("compute", settings.compute.threads, _NICENESS),
            disk=Threads("disk", _DISK_THREADS),
            embed=Threads("embed", 1, _NICENESS),
            callers=Threads("callers", _CALLER_THREADS),
            waiting=Threads("waiting", _WAITING_THREADS),
        ),
        background=Background(_report),
        alone=alone,
        cluster=cluster,
    )


def _cache(settings: Settings) -> FileCache | None:
    limit_bytes = int(settings.store.pool_cache_gb * 1e9)
    return FileCache(settings.data_dir / "pool-cache", limit_bytes) if limit_bytes else None


def _report(work: str, error: BaseException) -> None:
    _log.error("background_work_failed", work=work, exc_info=error)

"""Backups of a pool in a bucket that hold versions of its tables there, and copy the database only.

The database is copied first, as one snapshot; then the newest version of each table is held. The pool only grows
between the two, so these versions have every row of the snapshot and perhaps later ones, which the next start removes
like those of a crash. What breaks this (a deletion at the same moment) is found by holding the rows of these versions
and the database as it is then against the snapshot, and everything is done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nextlabel.server.operations.backups.copying import copy_tree
from nextlabel.server.operations.backups.databases import Database, SqliteDatabase
from nextlabel.server.operations.backups.folder import (
    BackupPlaces,
    BackupSummary,
    check_files,
    check_target,
    damaged_backup,
    file_errors,
    finish_folder,
    new_data_directory,
    read_manifest,
    unreadable,
)
from nextlabel.server.operations.pool_check import CommittedPool, PoolGap, totals
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.store.lance_pool.held_backups import HeldBackup
from nextlabel.server.store.lance_pool.pool_store import LONGEST_SCAN, embeddings_name
from nextlabel.server.store.lance_pool.pool_versions import PoolVersions
from nextlabel.server.store.lockfile import DirectoryLock
from nextlabel.server.values.errors import Aborted, DomainError, FailedPrecondition

FORMAT = "nextlabel-backup-versions-1"
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary(BackupSummary):
    """What a backup holds: ``versions`` of tables of the pool at ``pool_url``, under ``name``.

    ``data_dir`` is that of the servers it was taken of, ``database`` the kind of their database.
    """

    name: str
    pool_url: str
    data_dir: str
    versions: Mapping[str, int]
    database: str = SqliteDatabase.kind


def is_of_versions(source: Path) -> bool:
    """Whether a backup holds versions in a bucket.

    Raises:
        InvalidArgument: ``source`` is no finished backup.
    """
    return bool(read_manifest(source).get("format") == FORMAT)


def hold_versions(
    database: Database, source: BackupPlaces, data_dir: Path, pool_url: str, target: Path
) -> VersionSummary:
    """Save database and models to ``target``, and hold what they need of the pool where it is.

    Nothing has to be stopped for it. One that fails holds nothing.

    Raises:
        InvalidArgument: ``target`` is not empty, or lies within what is copied.
        NotFound: there is no database.
        FailedPrecondition: what saves the database is not installed, or too old.
        Aborted: deletions got in the way too often.
        DataLoss: the database or a table is damaged.
        Unavailable: ``target`` cannot be written, or bucket or database are out of reach.
    """
    check_target(target, source)
    database.check()
    versions = PoolVersions(pool_url)
    backup = versions.begin()
    try:
        with file_errors(target):
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            backup, committed = _held(versions, backup, database, target)
            copy_tree(source.models, BackupPlaces.within(target).models)
            projects, items, embeddings = totals(committed)
            summary = VersionSummary(
                format=FORMAT,
                name=backup.name,
                created_at=backup.begun_at.isoformat(timespec="seconds"),
                pool_url=pool_url,
                data_dir=str(data_dir.resolve()),
                projects=projects,
                items=items,
                embeddings=embeddings,
                versions=backup.versions,
                database=database.kind,
            )
            versions.finish(backup)
            finish_folder(target, asdict(summary))
    except BaseException:
        with suppress(DomainError):
            versions.let_go(backup.name, LONGEST_SCAN)
        raise
    return summary


def put_versions_back(source: Path, data_dir: Path, store_url: str = "", *, replace_pool: bool) -> VersionSummary:
    """Make ``data_dir`` out of a backup, and the versions that it holds the newest ones of the pool.

    A dump of PostgreSQL is put into the database of ``store_url``, which must be empty. Nothing may use the pool
    meanwhile. Repeated after a crash it does all of it again.

    Raises:
        InvalidArgument: ``source`` is no finished backup.
        FailedPrecondition: ``data_dir`` or the database holds something, a server runs on it or on the former one, the
            backup was let go, what restores a dump is not installed or too old, or ``replace_pool`` does not say that
            the pool as it is may be lost.
        DataLoss: the backup is damaged.
        Unavailable: bucket or database are out of reach.
    """
    summary = _manifest(source)
    if not replace_pool:
        raise FailedPrecondition(
            f"the texts and embeddings of this backup are versions of those in {summary.pool_url}: to put them back "
            "takes the place of what is there now. Stop every server of that pool, take a backup of it as it is if you "
            "may want it again, and repeat the command with --replace-pool",
            reason="POOL_WOULD_BE_REPLACED",
        )
    versions = PoolVersions(summary.pool_url)
    with new_data_directory(data_dir) as file, _empty_database(summary, file, store_url) as database:
        check_files(source)
        _check_held(versions, summary)
        database.fill(source)
        copy_tree(BackupPlaces.within(source).models, BackupPlaces.within(data_dir).models)
        versions.put_back(summary.versions)
        gaps = _gaps(versions, database.committed(), dict.fromkeys(summary.versions))
        if gaps:
            raise damaged_backup("; ".join(gaps))
    return summary


@contextmanager
def _empty_database(summary: VersionSummary, file: Path, store_url: str) -> Iterator[Database]:
    """Yield the database to fill: a file, or what ``store_url`` names."""
    if summary.database == SqliteDatabase.kind:
        _check_stopped(Path(summary.data_dir))
        yield SqliteDatabase(file)
        return
    if not store_url.startswith(summary.database):
        raise FailedPrecondition(
            "the state of this backup is a dump of PostgreSQL: make an empty database and name it by store.url, as in "
            "--store-url postgresql+psycopg://USER@HOST/DATABASE",
            reason="DATABASE_NOT_NAMED",
        )
    from nextlabel.server.operations.backups.postgres_database import PostgresDatabase

    database = PostgresDatabase(store_url)
    with database.kept_empty():
        yield database


def _held(
    versions: PoolVersions, backup: HeldBackup, database: Database, target: Path
) -> tuple[HeldBackup, list[CommittedPool]]:
    """Hold versions until they are what one snapshot of the database needs; return them and what it promises."""
    gaps: Sequence[str] = ()
    for _ in range(_ATTEMPTS):
        committed = database.save(target)
        backup = versions.hold(backup, versions.tables(pool.project.id for pool in committed))
        gaps = _gaps(versions, committed, backup.versions) or _gone(committed, database.committed())
        if not gaps:
            return backup, committed
    raise Aborted(
        f"{_ATTEMPTS} times the pool did not have what the database promised ({'; '.join(gaps)}): deletions went on "
        "meanwhile, or files are lost; repeat it at a quiet time, and run nextlabel doctor if it fails again",
        reason="BACKUP_INCOMPLETE",
    )


def _gone(committed: Sequence[CommittedPool], now: Sequence[CommittedPool]) -> list[str]:
    """Name the projects that were deleted since, or have other embeddings: their tables may be about to be removed.

    Whatever is removed of a project that is still there was not needed before its tables were held.
    """
    kept = {pool.project.embeddings for pool in now}
    return [f"project {p.project.name}: deleted or changed" for p in committed if p.project.embeddings not in kept]


def _gaps(versions: PoolVersions, committed: Sequence[CommittedPool], held: Mapping[str, int | None]) -> list[str]:
    """Return what the held versions lack of the committed rows; None stands for the newest version."""
    gaps = []
    for pool in committed:
        of = pool.project.embeddings
        items = _lost(versions, held, f"{pool.project.id}/items.lance", pool.rows_n)
        embeddings = _lost(versions, held, f"{pool.project.id}/{embeddings_name(of)}.lance", pool.embedded_m)
        if items or embeddings:
            gaps.append(str(PoolGap(pool.project.name, items, embeddings, (), 0, ())))
    return gaps


def _lost(versions: PoolVersions, held: Mapping[str, int | None], table: str, rows_n: Rows) -> int:
    if not len(rows_n):
        return 0
    there_n = versions.rows(table, held[table]) if table in held else np.empty(0, np.int64)
    return len(np.setdiff1d(rows_n, there_n))


def _check_held(versions: PoolVersions, summary: VersionSummary) -> None:
    lost = versions.lost(summary.name, summary.versions)
    if lost:
        raise FailedPrecondition(
            f"{summary.pool_url} does not hold {len(lost)} of the {len(summary.versions)} tables of backup "
            f"{summary.name} any more ({lost[0]}): it was let go (nextlabel backups lists those that there are)",
            reason="BACKUP_LET_GO",
        )


def _check_stopped(data_dir: Path) -> None:
    """Raise when the server that the backup was taken of runs on this machine."""
    if data_dir.is_dir():
        DirectoryLock(data_dir).release()


def _manifest(source: Path) -> VersionSummary:
    try:
        return VersionSummary(**read_manifest(source))
    except TypeError as error:
        raise unreadable(source) from error

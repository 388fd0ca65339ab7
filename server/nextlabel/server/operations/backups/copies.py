"""Copies a data directory while it is served, and puts such a copy back.

The database is copied first, as one snapshot; then the pool's files and the models. The pool only grows between the
two, so the copy holds every row of the snapshot and perhaps later ones, which the next start removes like those of a
crash. What breaks this (a compaction or a deletion at the same moment) is found by reading the whole copy against
the snapshot, and copied again. The SHA-256 of every file goes with it.
``backup.json`` is written last: a copy without it is not finished.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from nextlabel.server.operations.backups.copying import copy_database, copy_tree
from nextlabel.server.operations.backups.folder import (
    BackupPlaces,
    BackupSummary,
    check_database,
    check_files,
    check_target,
    committed_in,
    damaged_backup,
    file_errors,
    files_of,
    finish_folder,
    new_data_directory,
    read_manifest,
    unreadable,
)
from nextlabel.server.operations.pool_check import CommittedPool, find_gap, totals
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.lance_pool.s3 import S3Pool
from nextlabel.server.values.errors import Aborted, DataLoss, InvalidArgument, Unavailable

FORMAT = "nextlabel-backup-1"
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySummary(BackupSummary):
    """What a verified copy holds; ``bytes`` counts the files."""

    bytes: int


def back_up(source: BackupPlaces, target: Path, bucket_url: str = "") -> CopySummary:
    """Copy everything that a server keeps to ``target``, and verify the copy.

    Nothing has to be stopped for it. A pool in a bucket is copied out of it.

    Raises:
        InvalidArgument: ``target`` is not empty, or lies within what is copied.
        NotFound: there is no database.
        Aborted: deletions or compactions got in the way too often.
        DataLoss: the database is damaged.
        Unavailable: ``target`` cannot be written, or the bucket is out of reach.
    """
    check_target(target, source)
    check_database(source.database)
    with file_errors(target):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        created_at = datetime.now(UTC)
        committed = _copied(source, BackupPlaces.within(target), bucket_url)
        summary = _summary(target, committed, created_at)
        finish_folder(target, asdict(summary))
    return summary


def put_back(source: Path, data_dir: Path) -> CopySummary:
    """Make ``data_dir`` out of a backup, and verify it.

    Raises:
        InvalidArgument: ``source`` is no finished backup.
        FailedPrecondition: ``data_dir`` holds something, or a server runs on it.
        DataLoss: the backup is damaged.
    """
    summary = _manifest(source)
    with new_data_directory(data_dir) as database:
        check_files(source)
        made = replace(BackupPlaces.within(data_dir), database=database)
        committed = _copy(BackupPlaces.within(source), made)
        gaps = _gaps(made.pools, committed)
        if gaps:
            raise damaged_backup("; ".join(gaps))
    return summary


def _copied(source: BackupPlaces, target: BackupPlaces, bucket_url: str) -> list[CommittedPool]:
    """Copy until the copy is whole; return what it holds."""
    gaps: list[str] = []
    for _ in range(_ATTEMPTS):
        for folder in (target.pools, target.models):
            shutil.rmtree(folder, ignore_errors=True)
        committed = _copy(source, target, bucket_url)
        gaps = _gaps(target.pools, committed)
        if not gaps:
            return committed
    raise Aborted(
        f"{_ATTEMPTS} copies were not whole ({'; '.join(gaps)}): deletions or compactions went on meanwhile, or files "
        "are lost; repeat it at a quiet time, and run nextlabel doctor if it fails again",
        reason="BACKUP_INCOMPLETE",
    )


def _copy(source: BackupPlaces, target: BackupPlaces, bucket_url: str = "") -> list[CommittedPool]:
    copy_database(source.database, target.database)
    committed = committed_in(target.database)
    if bucket_url:
        S3Pool.of(bucket_url).download([str(pool.project.id) for pool in committed], target.pools)
    else:
        copy_tree(source.pools, target.pools)
    copy_tree(source.models, target.models)
    return committed


def _gaps(pools: Path, committed: list[CommittedPool]) -> list[str]:
    """Read copied arrays from end to end; return what they lack."""
    arrays = LancePoolStore(str(pools))
    gaps = []
    for pool in committed:
        try:
            gap = find_gap(arrays, pool)
        except (DataLoss, Unavailable) as error:
            gaps.append(f"project {pool.project.name}: {error}")
            continue
        if gap:
            gaps.append(str(gap))
    return gaps


def _summary(target: Path, committed: list[CommittedPool], created_at: datetime) -> CopySummary:
    projects, items, embeddings = totals(committed)
    return CopySummary(
        format=FORMAT,
        created_at=created_at.isoformat(timespec="seconds"),
        projects=projects,
        items=items,
        embeddings=embeddings,
        bytes=sum(file.stat().st_size for file in files_of(target)),
    )


def _manifest(source: Path) -> CopySummary:
    said = read_manifest(source)
    if said.get("format") != FORMAT:
        raise InvalidArgument.field("source", f"its format is {said.get('format')!r}; this version reads {FORMAT!r}")
    try:
        return CopySummary(**said)
    except TypeError as error:
        raise unreadable(source) from error

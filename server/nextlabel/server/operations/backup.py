"""Copies a data directory while it is served, and puts such a copy back.

The database is copied first, as one snapshot; then the pool's files and the models. The pool only grows between the
two, so the copy holds every row of the snapshot and perhaps later ones, which the next start removes like those of a
crash. What breaks this (a compaction or a deletion at the same moment) is found by reading the whole copy against
the snapshot, and copied again. The SHA-256 of every file goes with it.
``backup.json`` is written last: a copy without it is not finished.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from nextlabel.server.operations.checksums import SUMS, differing, write_sums
from nextlabel.server.operations.copying import copy_database, copy_tree, database_errors, open_read_only
from nextlabel.server.operations.pool_check import CommittedPool, committed_pools, find_gap
from nextlabel.server.store.lance_pool.durable_files import DurableDirectory, sync_folder
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.lockfile import LOCK_NAME, DirectoryLock
from nextlabel.server.store.sql.sqlite import SqliteConnection
from nextlabel.server.store.sql.transaction import SqlTransaction
from nextlabel.server.values.errors import Aborted, DataLoss, FailedPrecondition, InvalidArgument, NotFound, Unavailable

FORMAT = "nextlabel-backup-1"
MANIFEST = "backup.json"
_ATTEMPTS = 5
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class BackupPlaces:
    """Where a server keeps its database file, its pool and its models."""

    database: Path
    pools: Path
    models: Path

    @classmethod
    def within(cls, folder: Path) -> BackupPlaces:
        """Return the places in a data directory, or in a backup, which is laid out like one."""
        return cls(folder / "state.db", folder / "pools", folder / "models")


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a verified copy holds; ``bytes`` counts the files, ``created_at`` is the time of the snapshot."""

    format: str
    created_at: str
    projects: int
    items: int
    embeddings: int
    bytes: int


def back_up(source: BackupPlaces, target: Path) -> BackupSummary:
    """Copy everything that a server keeps to ``target``, and verify the copy.

    Nothing has to be stopped for it.

    Raises:
        InvalidArgument: ``target`` is not empty, or lies within what is copied.
        NotFound: there is no database.
        Aborted: deletions or compactions got in the way too often.
        DataLoss: the database is damaged.
    """
    _check_target(target, source)
    if not source.database.is_file():
        raise NotFound("database", str(source.database), message=f"there is no database {source.database}")
    with _file_errors(target):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        created_at = datetime.now(UTC)
        committed = _copied(source, BackupPlaces.within(target))
        summary = _summary(target, committed, created_at)
        write_sums(target, _files(target))
        _make_durable(target)
        (target / MANIFEST).write_text(json.dumps(asdict(summary), indent=2) + "\n")
        _make_durable(target)
    return summary


def put_back(source: Path, data_dir: Path) -> BackupSummary:
    """Make ``data_dir`` out of a backup, and verify it.

    Raises:
        InvalidArgument: ``source`` is no finished backup.
        FailedPrecondition: ``data_dir`` holds something, or a server runs on it.
        DataLoss: the backup is damaged.
    """
    summary = _manifest(source)
    lock = DirectoryLock(data_dir)
    try:
        if any(entry.name != LOCK_NAME for entry in data_dir.iterdir()):
            raise FailedPrecondition(
                f"{data_dir} is not empty: a backup is put back into a new directory only, so that nothing is lost; "
                "give another one, or move this one away",
                reason="DATA_DIR_NOT_EMPTY",
            )
        with _file_errors(data_dir):
            for part in _parts(BackupPlaces.within(source)):
                if part.is_symlink():
                    raise InvalidArgument.field("source", f"{part} is a link; give the directory that it names")
            _check_sums(source)
            # The database gets its name last: until then a server would find a new directory, never half a state.
            made = BackupPlaces.within(data_dir)
            unfinished = replace(made, database=data_dir / "state.db.unfinished")
            committed = _copy(BackupPlaces.within(source), unfinished)
            gaps = _gaps(made.pools, committed)
            if gaps:
                raise DataLoss("the backup is damaged: " + "; ".join(gaps), reason="BACKUP_DAMAGED")
            _make_durable(data_dir)
            unfinished.database.rename(made.database)
            sync_folder(data_dir)
    finally:
        lock.release()
    return summary


def _check_sums(source: Path) -> None:
    try:
        wrong = differing(source)
    except (OSError, ValueError) as error:
        raise DataLoss(
            f"the backup is damaged: its list {SUMS} cannot be read; give another one", reason="BACKUP_DAMAGED"
        ) from error
    if wrong:
        shown = ", ".join(wrong[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
        raise DataLoss(
            f"the backup is damaged: {shown} are not as they were when it was made; give another one",
            reason="BACKUP_DAMAGED",
        )


def _parts(places: BackupPlaces) -> tuple[Path, ...]:
    return places.database, places.pools, places.models


def _copied(source: BackupPlaces, target: BackupPlaces) -> list[CommittedPool]:
    """Copy until the copy is whole; return what it holds."""
    gaps: list[str] = []
    for _ in range(_ATTEMPTS):
        for folder in (target.pools, target.models):
            shutil.rmtree(folder, ignore_errors=True)
        committed = _copy(source, target)
        gaps = _gaps(target.pools, committed)
        if not gaps:
            return committed
    raise Aborted(
        f"{_ATTEMPTS} copies were not whole ({'; '.join(gaps)}): deletions or compactions went on meanwhile, or files "
        "are lost; repeat it at a quiet time, and run nextlabel doctor if it fails again",
        reason="BACKUP_INCOMPLETE",
    )


def _copy(source: BackupPlaces, target: BackupPlaces) -> list[CommittedPool]:
    copy_database(source.database, target.database)
    committed = _committed(target.database)
    copy_tree(source.pools, target.pools)
    copy_tree(source.models, target.models)
    return committed


def _check_target(target: Path, source: BackupPlaces) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidArgument.field("target", f"{target} is there already and not an empty directory; give another one")
    for folder in (source.pools, source.models):
        if target.resolve().is_relative_to(folder.resolve()):
            raise InvalidArgument.field("target", f"{target} lies within {folder}, which is copied; give another one")


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


def _committed(database: Path) -> list[CommittedPool]:
    with database_errors(), closing(open_read_only(database)) as db:
        return committed_pools(SqlTransaction(SqliteConnection(db, writing=False)))


def _summary(target: Path, committed: list[CommittedPool], created_at: datetime) -> BackupSummary:
    return BackupSummary(
        format=FORMAT,
        created_at=created_at.isoformat(timespec="seconds"),
        projects=len(committed),
        items=sum(len(pool.rows_n) for pool in committed),
        embeddings=sum(len(pool.embedded_m) for pool in committed),
        bytes=sum(file.stat().st_size for file in _files(target)),
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _make_durable(folder: Path) -> None:
    DurableDirectory(folder).sync()
    sync_folder(folder.parent)


def _manifest(source: Path) -> BackupSummary:
    try:
        summary = BackupSummary(**json.loads((source / MANIFEST).read_text()))
    except FileNotFoundError as error:
        raise InvalidArgument.field(
            "source", f"{source} has no {MANIFEST}: it is no backup, or one that was not finished; give another one"
        ) from error
    except (ValueError, TypeError) as error:
        raise InvalidArgument.field("source", f"{source / MANIFEST} cannot be read; give another backup") from error
    if summary.format != FORMAT:
        raise InvalidArgument.field("source", f"its format is {summary.format!r}; this version reads {FORMAT!r}")
    return summary


@contextmanager
def _file_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{target} cannot be written ({error.strerror or error}); what is there is not usable: "
            "remove it, and give a place with enough space and permission",
            reason="TARGET_NOT_WRITABLE",
        ) from error

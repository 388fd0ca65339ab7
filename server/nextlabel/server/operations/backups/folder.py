"""The folder that a backup is written to and put back from; ``backup.json`` in it is written last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextlabel.server.operations.backups.checksums import SUMS, differing, write_sums
from nextlabel.server.operations.backups.copying import database_errors, open_read_only
from nextlabel.server.operations.pool_check import CommittedPool, committed_pools
from nextlabel.server.store.lance_pool.durable_files import DurableDirectory, sync_folder
from nextlabel.server.store.lockfile import LOCK_NAME, DirectoryLock
from nextlabel.server.store.sql.sqlite import SqliteConnection
from nextlabel.server.store.sql.transaction import SqlTransaction
from nextlabel.server.values.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound, Unavailable

MANIFEST = "backup.json"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSummary:
    """What a backup holds; ``created_at`` is the time of the snapshot."""

    format: str
    created_at: str
    projects: int
    items: int
    embeddings: int


def check_target(target: Path, source: BackupPlaces) -> None:
    """See whether a backup of ``source`` may be written to ``target``.

    Raises:
        InvalidArgument: ``target`` is not empty, or lies within what is copied.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidArgument.field("target", f"{target} is there already and not an empty directory; give another one")
    for folder in (source.pools, source.models):
        if target.resolve().is_relative_to(folder.resolve()):
            raise InvalidArgument.field("target", f"{target} lies within {folder}, which is copied; give another one")


def check_database(file: Path) -> None:
    """Raise NotFound when there is no database file."""
    if not file.is_file():
        raise NotFound("database", str(file), message=f"there is no database {file}")


def finish_folder(folder: Path, manifest: dict[str, Any]) -> None:
    """Make the files in a folder durable, with their checksums, and then say that it is a backup."""
    write_sums(folder, files_of(folder))
    _make_durable(folder)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    _make_durable(folder)


def read_manifest(source: Path) -> dict[str, Any]:
    """Return what is said of a backup.

    Raises:
        InvalidArgument: ``source`` is no finished backup.
    """
    try:
        manifest: dict[str, Any] = dict(json.loads((source / MANIFEST).read_text()))
    except FileNotFoundError as error:
        raise InvalidArgument.field(
            "source", f"{source} has no {MANIFEST}: it is no backup, or one that was not finished; give another one"
        ) from error
    except (ValueError, TypeError) as error:
        raise unreadable(source) from error
    return manifest


def unreadable(source: Path) -> InvalidArgument:
    """Return the error for a backup whose manifest is not what was written."""
    return InvalidArgument.field("source", f"{source / MANIFEST} cannot be read; give another backup")


def check_files(source: Path) -> None:
    """Hold a backup against its checksums.

    Raises:
        InvalidArgument: something in it is a link.
        DataLoss: the backup is damaged.
    """
    places = BackupPlaces.within(source)
    for part in (places.database, places.pools, places.models):
        if part.is_symlink():
            raise InvalidArgument.field("source", f"{part} is a link; give the directory that it names")
    try:
        wrong = differing(source)
    except (OSError, ValueError) as error:
        raise damaged_backup(f"its list {SUMS} cannot be read; give another one") from error
    if wrong:
        shown = ", ".join(wrong[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
        raise damaged_backup(f"{shown} are not as they were when it was made; give another one")


def damaged_backup(how: str) -> DataLoss:
    """Return the error for a backup that cannot be put back."""
    return DataLoss(f"the backup is damaged: {how}", reason="BACKUP_DAMAGED")


@contextmanager
def new_data_directory(data_dir: Path) -> Iterator[Path]:
    """Make a data directory; the value is a place for its database, which gets its name when the block is over.

    Until then a server would find a new directory, never half a state. On PostgreSQL nothing is put in that place.

    Raises:
        FailedPrecondition: ``data_dir`` holds something, or a server runs on it.
    """
    lock = DirectoryLock(data_dir)
    try:
        if any(entry.name != LOCK_NAME for entry in data_dir.iterdir()):
            raise FailedPrecondition(
                f"{data_dir} is not empty: a backup is put back into a new directory only, so that nothing is lost; "
                "give another one, or move this one away",
                reason="DATA_DIR_NOT_EMPTY",
            )
        with file_errors(data_dir):
            unfinished = data_dir / "state.db.unfinished"
            yield unfinished
            _make_durable(data_dir)
            if unfinished.exists():
                unfinished.rename(BackupPlaces.within(data_dir).database)
                sync_folder(data_dir)
    finally:
        lock.release()


def committed_in(database: Path) -> list[CommittedPool]:
    """Return what a database file promises of the pool."""
    with database_errors(), closing(open_read_only(database)) as db:
        return committed_pools(SqlTransaction(SqliteConnection(db, writing=False)))


def files_of(folder: Path) -> Iterator[Path]:
    """Return the files in a folder and below it."""
    return (path for path in folder.rglob("*") if path.is_file())


@contextmanager
def file_errors(target: Path) -> Iterator[None]:
    """Say what a disk that a backup, or what is made of it, cannot be written to."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{target} cannot be written ({error.strerror or error}); what is there is not usable: "
            "remove it, and give a place with enough space and permission",
            reason="TARGET_NOT_WRITABLE",
        ) from error


def _make_durable(folder: Path) -> None:
    DurableDirectory(folder).sync()
    sync_folder(folder.parent)

"""Backups of a pool in a bucket that are versions of its tables, and not copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.store.lance_pool.held_backups import BackupState, HeldBackup, HeldBackups
from nextlabel.server.store.lance_pool.s3 import S3Pool
from nextlabel.server.store.lance_pool.store_errors import store_errors
from nextlabel.server.store.lance_pool.table_files import ObjectFiles
from nextlabel.server.store.lance_pool.table_versions import TableVersions
from nextlabel.server.values.errors import NotFound
from nextlabel.server.values.ids import ProjectId

T = TypeVar("T")

# Requests wait for the store's answers, mostly.
_AT_A_TIME = 8


class PoolVersions:
    """The pool at ``url``, ``s3://BUCKET/PREFIX``. Tables are named ``PROJECT/NAME.lance``.

    All that it does may be done again after a crash. Every method raises Unavailable when the bucket is out of reach.

    Raises:
        InvalidArgument: the URL names no bucket.
        FailedPrecondition: what a bucket needs is not installed.
        Unavailable: there is no such bucket, or it is out of reach.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._bucket = S3Pool.of(url)
        self._options = self._bucket.lance_options()
        self._backups = HeldBackups(ObjectFiles(self._url, self._options))

    def tables(self, projects: Iterable[ProjectId]) -> list[str]:
        """Return the tables that the bucket has of some projects."""
        return [
            f"{project}/{name}"
            for project, names in _each(self._bucket.folders, projects).items()
            for name in names
            if name.endswith(".lance")
        ]

    def backups(self) -> Sequence[HeldBackup]:
        """Return the backups that hold versions of the pool, oldest first."""
        with store_errors():
            return self._backups.all()

    def begin(self) -> HeldBackup:
        """Begin a backup, before whose end no old version of any table is removed."""
        self._bucket.folders("")  # says in plain words what is wrong with bucket or credentials
        with store_errors():
            return self._backups.begin()

    def hold(self, backup: HeldBackup, tables: Sequence[str]) -> HeldBackup:
        """Hold the newest version of these tables, and of no others."""
        others = backup.versions.keys() - set(tables)
        with store_errors():
            self._backups.record(replace(backup, versions={**backup.versions, **dict.fromkeys(tables, 0)}))
            versions = _each(lambda table: self._table(table).hold(backup.name), tables)
            _each(lambda table: self._let_go(backup, table, timedelta(0)), others)
            return self._backups.record(replace(backup, versions=versions))

    def finish(self, backup: HeldBackup) -> HeldBackup:
        """Keep what the backup holds until it is let go."""
        with store_errors():
            return self._backups.record(replace(backup, state=BackupState.HELD))

    def lost(self, name: str, versions: Mapping[str, int]) -> list[str]:
        """Return the tables whose version is not held any more."""
        with store_errors():
            held = _each(lambda table: self._table(table).held(name), versions)
        return [table for table, version in versions.items() if held[table] != version]

    def rows(self, table: str, version: int | None = None) -> Rows:
        """Return the rows of a version of a table, by default the newest."""
        with store_errors():
            return self._table(table).rows(version)

    def put_back(self, versions: Mapping[str, int]) -> None:
        """Make these versions the newest ones; other tables of the same projects are left without rows."""
        projects = {ProjectId(table.partition("/")[0]) for table in versions}
        with store_errors():
            _each(lambda table: self._table(table).put_back(versions[table]), versions)
            _each(lambda table: self._table(table).empty(), set(self.tables(projects)) - versions.keys())

    def let_go(self, name: str, keep: timedelta) -> int:
        """Let a backup go and remove what it alone needed; return how many tables have to be looked at again.

        A version that was replaced less than ``keep`` ago may still be read. What is left is removed when this is
        called again.

        Raises:
            NotFound: there is no such backup.
        """
        with store_errors():
            found = next((backup for backup in self._backups.all() if backup.name == name), None)
            if found is None:
                raise NotFound("backup", name, message=f"no backup {name} holds versions of this pool")
            self._backups.record(replace(found, state=BackupState.LET_GO))
            gone = _each(lambda table: self._let_go(found, table, keep), found.versions)
            left = {table: found.versions[table] for table in found.versions if not gone[table]}
            if left:
                self._backups.record(replace(found, state=BackupState.LET_GO, versions=left))
            else:
                self._backups.forget(name)
        return len(left)

    def _let_go(self, backup: HeldBackup, table: str, keep: timedelta) -> bool:
        return self._table(table).let_go(backup.name, backup.versions.get(table, 0), keep)

    def _table(self, table: str) -> TableVersions:
        return TableVersions(f"{self._url}/{table}", self._options)


def _each(work: Callable[..., T], over: Iterable[str]) -> dict[str, T]:
    names = list(over)
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        return dict(zip(names, threads.map(work, names), strict=True))

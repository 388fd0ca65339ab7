"""The database of a server as its backups see it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from typing_extensions import override

from nextlabel.server.operations.backups.copying import copy_database
from nextlabel.server.operations.backups.folder import BackupPlaces, check_database, committed_in
from nextlabel.server.operations.pool_check import CommittedPool


class Database(Protocol):
    """A database that can be saved to a folder while it is written, or made out of such a folder."""

    kind: str

    def check(self) -> None:
        """See whether it can be saved.

        Raises:
            NotFound: there is none.
            FailedPrecondition: what saves it is not installed, or too old.
            Unavailable: it is out of reach.
        """

    def save(self, folder: Path) -> list[CommittedPool]:
        """Write one snapshot into ``folder``, in the place of a former one; return what it promises of the pool."""

    def fill(self, folder: Path) -> None:
        """Make it, which is empty, out of what was saved to ``folder``."""

    def committed(self) -> list[CommittedPool]:
        """Return what it promises of the pool now."""


class SqliteDatabase(Database):
    """A database file."""

    kind = "sqlite"

    def __init__(self, file: Path) -> None:
        self._file = file

    @override
    def check(self) -> None:
        check_database(self._file)

    @override
    def save(self, folder: Path) -> list[CommittedPool]:
        copy = BackupPlaces.within(folder).database
        copy_database(self._file, copy)
        return committed_in(copy)

    @override
    def fill(self, folder: Path) -> None:
        copy_database(BackupPlaces.within(folder).database, self._file)

    @override
    def committed(self) -> list[CommittedPool]:
        return committed_in(self._file)

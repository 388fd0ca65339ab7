"""Opens the StateStore that a URL names, bringing its tables up to date first."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.store.lockfile import DirectoryLock
from nextlabel.server.values.errors import InvalidArgument

NAMES_FILE = "nextlabel.names"


def open_state_store(url: str, *, shared: bool = False) -> StateStore:
    """Open ``sqlite:///PATH`` or ``postgresql+psycopg://…``. Blocks; call it before the event loop has work.

    ``shared``: other processes of this machine may open the same SQLite file, under a directory that was claimed for
    all of them. A PostgreSQL database is always shared.

    Raises:
        InvalidArgument: another kind of URL.
        FailedPrecondition: another process holds the SQLite file's directory, or the database was written by a newer
            version.
        Unavailable: the file or server cannot be reached or written.
    """
    path = _sqlite_file(url)
    if path is None:
        return _open_postgres(sa.make_url(url))
    return _open_sqlite(path, None) if shared else _open_sqlite_alone(path)


def claimed(url: str) -> DirectoryLock | None:
    """Take a SQLite file's directory for this process and the forks it will have; None where nothing has to be taken.

    Raises:
        InvalidArgument: another kind of URL.
        FailedPrecondition: another process holds it.
        Unavailable: the directory cannot be created or written.
    """
    path = _sqlite_file(url)
    return DirectoryLock(path.parent) if path else None


def _sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite URL, None for PostgreSQL."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise _unknown(url) from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite") and parsed.database not in (None, "", ":memory:"):
        return Path(str(parsed.database))
    if parsed.drivername == "postgresql+psycopg":
        return None
    raise _unknown(url)


def _open_sqlite_alone(path: Path) -> StateStore:
    lock = DirectoryLock(path.parent)
    try:
        return _open_sqlite(path, lock)
    except BaseException:
        lock.release()
        raise


def _open_sqlite(path: Path, lock: DirectoryLock | None) -> StateStore:
    from nextlabel.server.store.migrations import upgrade
    from nextlabel.server.store.name_locks import OwnNames, SharedNames
    from nextlabel.server.store.sql.sqlite import SqliteStateStore, migrating

    names = SharedNames(path.parent / NAMES_FILE) if lock is None else OwnNames()
    with names.waiting("migrations"), migrating(path) as connection:
        upgrade.to_latest(connection)
    return SqliteStateStore(path, lock, names)


def _open_postgres(url: sa.URL) -> StateStore:
    from nextlabel.server.store.migrations import upgrade
    from nextlabel.server.store.sql.postgres import open_postgres

    return open_postgres(url, upgrade.to_latest)


def _unknown(url: str) -> InvalidArgument:
    scheme = url.partition(":")[0]
    return InvalidArgument.field(
        "store.url",
        f"expected sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE, got one that starts with {scheme!r}",
    )

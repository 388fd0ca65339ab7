"""Opens the StateStore that a URL names, bringing its tables up to date first."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.errors import InvalidArgument


def open_state_store(url: str) -> StateStore:
    """Open ``sqlite:///PATH`` or ``postgresql+psycopg://…``. Blocks; call it before the event loop has work.

    Raises:
        InvalidArgument: another kind of URL.
        FailedPrecondition: another process holds the SQLite file's directory, or the database was written by a newer
            version.
        Unavailable: the file or server cannot be reached or written.
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise _unknown(url) from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite") and parsed.database not in (None, "", ":memory:"):
        return _open_sqlite(Path(str(parsed.database)))
    if parsed.drivername == "postgresql+psycopg":
        return _open_postgres(parsed)
    raise _unknown(url)


def _open_sqlite(path: Path) -> StateStore:
    from nextlabel.server.store.lockfile import DirectoryLock
    from nextlabel.server.store.migrations import upgrade
    from nextlabel.server.store.sql.sqlite import SqliteStateStore, migrating

    lock = DirectoryLock(path.parent)
    try:
        with migrating(path) as connection:
            upgrade.to_latest(connection)
        return SqliteStateStore(path, lock)
    except BaseException:
        lock.release()
        raise


def _open_postgres(url: sa.URL) -> StateStore:
    from nextlabel.server.store.sql.postgres import open_postgres

    return open_postgres(url)


def _unknown(url: str) -> InvalidArgument:
    scheme = url.partition(":")[0]
    return InvalidArgument.field(
        "store.url",
        f"expected sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE, got one that starts with {scheme!r}",
    )

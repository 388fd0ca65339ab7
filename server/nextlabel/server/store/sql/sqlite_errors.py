"""What SQLite's errors mean to a caller."""

from __future__ import annotations

import sqlite3

from nextlabel.server.values.errors import Aborted, DataLoss, InvalidArgument, ResourceExhausted, Unavailable

_PRIMARY = 0xFF
_LOST = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNREACHABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR)
_UNSTORABLE = (sqlite3.ProgrammingError, sqlite3.InterfaceError, OverflowError, UnicodeEncodeError)


def translated(error: Exception) -> Exception:
    """Return the domain error for what can go wrong in a sound program; any other error as it is."""
    if isinstance(error, _UNSTORABLE):
        return InvalidArgument.field("value", f"cannot be stored: {error}", reason="VALUE_NOT_STORABLE")
    if isinstance(error, sqlite3.IntegrityError):
        return Aborted(
            "what this call refers to was removed, or what it adds was added, by a concurrent call; "
            "read the state again and repeat",
            reason="CONCURRENT_CHANGE",
        )
    if isinstance(error, sqlite3.Error):
        return _by_code(error)
    return error


def _by_code(error: sqlite3.Error) -> Exception:
    # Errors that the driver itself raises carry no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code == sqlite3.SQLITE_FULL:
        return ResourceExhausted(
            "the disk that holds the database is full; nothing of this call was kept: free space and repeat it",
            quota="disk",
            reason="DISK_FULL",
        )
    if code in _LOST:
        return DataLoss("the database file is damaged; restore it from a backup", reason="DATABASE_DAMAGED")
    if code in _BUSY:
        return Unavailable("another process is writing to the database file; stop it or repeat the call")
    if code in _UNREACHABLE:
        return Unavailable(
            f"the database file cannot be read or written ({error}); check the data directory's permissions and disk",
            reason="DATABASE_NOT_WRITABLE",
        )
    return error

"""What PostgreSQL's errors mean to a caller."""

from __future__ import annotations

from psycopg import errors

from nextlabel.server.values.errors import Aborted, DataLoss, InvalidArgument, ResourceExhausted, Unavailable

_CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
_FULL = (errors.DiskFull, errors.OutOfMemory, errors.TooManyConnections)
_DAMAGED = (errors.DataCorrupted, errors.IndexCorrupted)
_UNSTORABLE = (errors.DataError, UnicodeEncodeError, OverflowError)
# A server that was made a standby answers, but takes no writes.
_UNREACHABLE = (errors.OperationalError, errors.ReadOnlySqlTransaction)


def translated(error: Exception) -> Exception:
    """Return the domain error for what can go wrong in a sound program; any other error as it is.

    The most specific classes come first.
    """
    if isinstance(error, _CONFLICTS):
        return Aborted("concurrent calls changed the same rows; repeat the call", reason="CONCURRENT_CHANGE")
    if isinstance(error, _FULL):
        return ResourceExhausted(
            "the database server has no disk, memory or connections left; nothing of this call was kept: "
            "free some and repeat it",
            quota="database",
            reason="DATABASE_FULL",
        )
    if isinstance(error, _DAMAGED):
        return DataLoss("the database is damaged; restore it from a backup", reason="DATABASE_DAMAGED")
    if isinstance(error, _UNSTORABLE):
        return InvalidArgument.field("value", f"cannot be stored: {error}", reason="VALUE_NOT_STORABLE")
    if isinstance(error, errors.IntegrityError):
        return Aborted(
            "what this call refers to was removed, or what it adds was added, by a concurrent call; "
            "read the state again and repeat",
            reason="CONCURRENT_CHANGE",
        )
    if isinstance(error, _UNREACHABLE):
        return Unavailable(
            "the database server cannot be reached, or is read-only; check that it runs and that store.url is right, "
            "then repeat",
            retry_after_s=1.0,
            reason="DATABASE_UNREACHABLE",
        )
    return error

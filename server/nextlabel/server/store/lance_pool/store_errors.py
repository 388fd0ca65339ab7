"""What disks, object stores and Lance say when they cannot, in the service's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from nextlabel.server.values.errors import DataLoss, ResourceExhausted, Unavailable

_SIGNS_OF_DAMAGE = ("Not found", "Invalid user input", "corrupt", "failed to decode", "LanceError(Arrow)")


@contextmanager
def store_errors() -> Iterator[None]:
    """Translate what the file system or object store refuses. Lance's own errors carry the cause as text only."""
    try:
        yield
    except (pa.ArrowInvalid, OverflowError, UnicodeError) as error:
        raise damaged() from error
    except (OSError, ValueError) as error:
        if is_of_object_store(error):
            raise Unavailable(
                "the object store of the pool cannot be reached, or refuses; see to its address, credentials and "
                "bucket, then repeat",
                reason="POOL_UNREACHABLE",
            ) from error
        if isinstance(error, ValueError):
            raise
        if any(sign in str(error) for sign in _SIGNS_OF_DAMAGE):
            raise damaged() from error
        if "No space left" in str(error):
            raise ResourceExhausted(
                "the disk that holds the pool is full; nothing of this call was kept: free space and repeat it",
                quota="disk",
                reason="DISK_FULL",
            ) from error
        if "Too many open files" in str(error):
            raise Unavailable(
                "the server has as many files open as the system lets it, so the pool cannot be read or written; raise "
                "the limit (ulimit -n), then repeat",
                reason="TOO_MANY_OPEN_FILES",
            ) from error
        raise Unavailable(
            "the pool's files cannot be read or written; check the data directory's permissions and disk, then repeat",
            reason="POOL_NOT_WRITABLE",
        ) from error
    except BaseException as error:
        # What Lance's native code makes of bytes that it did not expect; it is no Exception.
        if type(error).__name__ == "PanicException":
            raise damaged() from error
        raise


def is_of_object_store(error: Exception) -> bool:
    """Whether an error tells what an object store answered, or that it did not; Lance counts no disk among them."""
    return "LanceError(IO): Generic" in str(error) and "Generic LocalFileSystem" not in str(error)


def damaged() -> DataLoss:
    """Return the error for files that are missing or not what was written."""
    return DataLoss(
        "files of the pool are missing or damaged; look at them with nextlabel doctor, and restore them from a backup",
        reason="POOL_DAMAGED",
    )

"""One process for each data directory: an advisory lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from nextlabel.server.values.errors import FailedPrecondition, Unavailable

LOCK_NAME = "nextlabel.lock"


class DirectoryLock:
    """Holds a directory until :meth:`release` or the end of the process, however it ends.

    Raises:
        FailedPrecondition: another process holds it.
        Unavailable: the directory cannot be created or written.
    """

    def __init__(self, directory: Path) -> None:
        self._file: int | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            file = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (FileExistsError, NotADirectoryError) as error:
            raise Unavailable(
                f"the data directory {directory} cannot be made: a file is in its place; give another one",
                reason="DATA_DIR_NOT_WRITABLE",
            ) from error
        except OSError as error:
            raise Unavailable(
                f"the data directory {directory} cannot be written ({error.strerror}); "
                "give another one, or write permission",
                reason="DATA_DIR_NOT_WRITABLE",
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise FailedPrecondition(
                f"the data directory {directory} is in use by process {holder}; "
                "stop that server or give another directory",
                reason="DATA_DIR_IN_USE",
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Let others have the directory; again is no error.

        The file stays: removing it would let two processes lock two files.
        """
        # A number closed twice may meanwhile be another file's.
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

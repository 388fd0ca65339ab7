"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nextlabel.server.values.errors import FailedPrecondition


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in words that ``path`` cannot be written.

    Raises:
        FailedPrecondition: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise FailedPrecondition(
            f"{path} cannot be written: {reason}; choose another folder, or make room", reason="FILE_NOT_WRITTEN"
        ) from error


@contextmanager
def write_bytes_to(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the name ``path`` once the block ends without an error; makes the folder."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

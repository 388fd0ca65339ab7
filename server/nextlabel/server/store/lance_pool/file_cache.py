"""Files of an object store as this machine keeps them on its own disk, up to a bound."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from nextlabel.server.system.folders import remove_folder

_PARTS = ".part-"


class FileCache:
    """A folder that processes may share; when it holds more than ``limit_bytes``, what is longest unused goes.

    Files must never change under their name, as Lance's data files never do. The bound is passed by the file that was
    fetched last, and by those that are being fetched.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._fetching = threading.Lock()

    def file(self, name: str, fetch: Callable[[Path], None]) -> Path:
        """Return the file's place on this disk, after ``fetch`` has written it there if it was not.

        The file may be removed as soon as this returns: whoever opens it at once keeps it, or fetches it again.

        Raises:
            OSError: the folder cannot be written, or what ``fetch`` raises.
        """
        path = self._folder / name
        if _used(path):
            return path
        with self._fetching:
            if not _used(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f"{_PARTS}{uuid4().hex}")
                try:
                    fetch(part)
                    with part.open("rb+") as content:
                        os.fsync(content.fileno())
                    part.replace(path)
                finally:
                    part.unlink(missing_ok=True)
                self._make_room(path)
        return path

    def forget(self, name: str) -> None:
        """Remove a file, such as one that is damaged, if it can be removed."""
        with suppress(OSError):
            (self._folder / name).unlink()

    def forget_all(self, folder: str) -> None:
        """Remove all files whose names begin with ``folder/``."""
        remove_folder(self._folder / folder)

    def _make_room(self, newest: Path) -> None:
        kept = []
        for path in self._folder.rglob("*"):
            # Other processes remove files too.
            with suppress(FileNotFoundError):
                if path.is_file():
                    kept.append((path.stat().st_mtime_ns, path.stat().st_size, path))
        excess = sum(size for _, size, _ in kept) - self._limit_bytes
        for _, size, path in sorted(kept):
            if excess > 0 and path != newest:
                path.unlink(missing_ok=True)
                excess -= size


def _used(path: Path) -> bool:
    """Note that a file is used; False when it is not there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True

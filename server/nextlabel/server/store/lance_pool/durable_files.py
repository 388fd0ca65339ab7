"""Makes what a writer left in the page cache survive a power cut."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class DurableDirectory:
    """Syncs every file below a directory that is new or changed since the last time, and the folders that name them.

    At first everything there counts as new: an earlier process may have died between writing and syncing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._synced: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def sync(self) -> None:
        """Return when all that is there now is on disk."""
        with self._lock:
            seen: dict[str, tuple[int, int]] = {}
            self._sync_folder(self._path, seen)
            self._synced = seen

    def _sync_folder(self, folder: Path, seen: dict[str, tuple[int, int]]) -> None:
        fresh = False
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    mark = (0, 0)
                    self._sync_folder(Path(entry.path), seen)
                else:
                    status = _status(entry)
                    if status is None:
                        continue
                    mark = (status.st_mtime_ns, status.st_size)
                    if self._synced.get(entry.path) != mark:
                        _sync(entry.path)
                fresh |= entry.path not in self._synced
                seen[entry.path] = mark
        if fresh:
            _sync(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    _sync(folder)


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # a clean-up got there first
        return None


def _sync(path: str | Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(file)
    finally:
        os.close(file)

"""A folder that goes with what it was made for."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class PassingFolder:
    """A new folder that only this user can read, until `remove`, the end of this object or that of the process.

    A fork of the process leaves it alone, unlike a `tempfile.TemporaryDirectory`.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="nextlabel-"))
        self._remover = weakref.finalize(self, _remove, self.path, os.getpid())

    def remove(self) -> None:
        """Remove it with all that is in it; again is no error."""
        self._remover()


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:
        # What still writes in there ends with the process; nothing of it is wanted.
        shutil.rmtree(path, ignore_errors=True)

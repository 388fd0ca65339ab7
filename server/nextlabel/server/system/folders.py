"""Folders that go for good."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it; one that is not there is removed already.

    Raises:
        OSError: something of it is left.
    """
    while folder.exists():
        # Others may remove parts of it at the same time.
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)

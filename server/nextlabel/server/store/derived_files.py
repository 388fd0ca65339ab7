"""Derived arrays as files in the data directory: no pickle, and whatever is wrong with one, it is made again."""

from __future__ import annotations

import asyncio
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from typing_extensions import override

from nextlabel.server.ports.derived import Arrays, DerivedArrays
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.system.folders import remove_folder
from nextlabel.server.values.ids import ProjectId

_log = structlog.get_logger(__name__)
_VERSION = "version"
# What NumPy raises for files that are cut off, altered, of another kind, or hold objects.
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


class DerivedFiles(DerivedArrays):
    """A file for each project and name. Another ``version`` of the server may have made something else of the same."""

    def __init__(self, folder: Path, state: StateStore, version: str) -> None:
        self._folder = folder
        self._state = state
        self._version = version

    @override
    async def find(self, project: ProjectId, name: str) -> Arrays | None:
        return await asyncio.to_thread(self._read, self._path(project, name))

    @override
    async def keep(self, project: ProjectId, name: str, arrays: Arrays) -> None:
        try:
            await asyncio.to_thread(self._write, self._path(project, name), arrays)
            # The project may have been deleted, with its files, while this was made.
            if await self._state.read(lambda tx: tx.projects.by_id(project)) is None:
                self.forget(project)
        except OSError:
            _log.warning("derived_not_kept", project=project, name=name, exc_info=True)

    def forget(self, project: ProjectId) -> None:
        """Remove what is kept of a deleted project.

        Raises:
            OSError: something of it is left.
        """
        remove_folder(self._folder / project)

    def _path(self, project: ProjectId, name: str) -> Path:
        return self._folder / project / f"{name}.npz"

    def _read(self, path: Path) -> Arrays | None:
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
        except _UNREADABLE:
            return None
        made_by = arrays.pop(_VERSION, None)
        return arrays if made_by is not None and made_by.tobytes().decode() == self._version else None

    def _write(self, path: Path, arrays: Arrays) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        named: dict[str, Any] = {**arrays, _VERSION: np.frombuffer(self._version.encode(), np.uint8)}
        try:
            with unfinished.open("wb") as file:
                np.savez(file, allow_pickle=False, **named)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

"""Versions of one table that backups hold: clean-up passes by them, and each can be made the newest again.

Lance keeps a version that has a tag, with every file that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import lance

from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.store.lance_pool.table import open_dataset, rows_of
from nextlabel.server.store.lance_pool.table_files import ObjectFiles

# Says, beside the files of a table that a backup holds, that its project does not have it any more.
_DROPPED = "_dropped"


class TableVersions:
    """The versions of the table at ``uri`` of an object store; ``options`` are what Lance must be told of it."""

    def __init__(self, uri: str, options: Mapping[str, str] | None) -> None:
        self._uri = uri
        self._options = dict(options or {})
        self._files = ObjectFiles(uri, self._options)

    def hold(self, name: str) -> int:
        """Keep the newest version under a name, which holds no other one from then on; return its number.

        0 when there is no such table.
        """
        dataset = self._open()
        if dataset is None:
            return 0
        version = int(dataset.version)
        if name in dataset.tags.list():
            dataset.tags.update(name, version)
        else:
            dataset.tags.create(name, version)
        return version

    def held(self, name: str) -> int:
        """Return the version that is kept under a name, 0 for none."""
        dataset = self._open()
        return int(dataset.tags.list()[name]["version"]) if dataset and name in dataset.tags.list() else 0

    def rows(self, version: int | None = None) -> Rows:
        """Return the rows of a version, by default the newest, in the order in which they are stored."""
        dataset = self._open(version)
        return rows_of(dataset)

    def put_back(self, version: int) -> None:
        """Make a version the newest again; what came after it stays readable until the next clean-up."""
        dataset = self._open(version)
        if int(dataset.latest_version) != version:
            dataset.restore()
        self._files.remove(_DROPPED)

    def empty(self) -> None:
        """Leave no row in the newest version."""
        dataset = self._open()
        if dataset is not None and dataset.count_rows():
            dataset.delete("true")

    def drop(self) -> None:
        """Remove the table, or as much of it as no backup holds; the rest goes when they let it go."""
        dataset = self._open()
        if dataset is None or not dataset.tags.list():
            lance.LanceDataset.drop(self._uri, self._options, ignore_not_found=True)
            return
        self.empty()
        self._files.write(_DROPPED, "")
        self._open().cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)

    def let_go(self, name: str, version: int, keep: timedelta) -> bool:
        """Give up a name, and remove what only its version needed; False where that is for later.

        A version that was replaced less than ``keep`` ago may still be read.
        """
        dataset = self._open()
        if dataset is None:
            return True
        held = {tag: int(of["version"]) for tag, of in dataset.tags.list().items()}
        if name in held:
            version = held.pop(name)
            dataset.tags.delete(name)
        needed = version in held.values() or version == int(dataset.version)
        gone = needed or _remove(dataset, version, keep)
        if not held and self._files.is_there(_DROPPED) and not dataset.count_rows():
            lance.LanceDataset.drop(self._uri, self._options, ignore_not_found=True)
            return True
        return gone

    def _open(self, version: int | None = None) -> Any:
        return open_dataset(self._uri, self._options, version)


def _remove(dataset: Any, version: int, keep: timedelta) -> bool:
    made = {int(each["version"]): each["timestamp"].astimezone(UTC) for each in dataset.versions()}
    if version not in made:
        return True
    replaced = min(at for number, at in made.items() if number > version)
    if datetime.now(UTC) - replaced < keep:
        return False
    dataset.cleanup_old_versions(versions=[version], error_if_tagged_old_versions=False)
    return True

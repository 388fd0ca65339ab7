"""The files of one table, on a disk or in an object store, by their names below its folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from lance.file import LanceFileSession
from typing_extensions import override

_CHUNK = 1 << 20


class TableFiles(Protocol):
    """What is read and written beside Lance."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Stream a file.

        Raises:
            FileNotFoundError: it is not there.
            OSError: it cannot be read.
        """
        ...

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a folder, none when there is no such folder."""
        ...

    def write(self, name: str, content: str) -> None:
        """Write a small file, making its folder.

        Raises:
            OSError: it cannot be written.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...


class DiskFiles(TableFiles):
    """Files of a folder; the caller makes them durable."""

    def __init__(self, table: Path) -> None:
        self._table = table

    @override
    def chunks(self, name: str) -> Iterator[bytes]:
        with (self._table / name).open("rb") as content:
            while part := content.read(_CHUNK):
                yield part

    @override
    def names(self, folder: str) -> set[str]:
        return {path.name for path in (self._table / folder).glob("*")}

    @override
    def write(self, name: str, content: str) -> None:
        path = self._table / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)

    @override
    def remove(self, name: str) -> None:
        (self._table / name).unlink(missing_ok=True)


class ObjectFiles(TableFiles):
    """Objects below a table's URL, reached as Lance reaches them."""

    def __init__(self, uri: str, options: Mapping[str, str] | None) -> None:
        self._uri = uri
        self._options = options

    def download(self, name: str, place: Path) -> None:
        """Copy an object to a file.

        Raises:
            FileNotFoundError: it is not there.
            OSError: it cannot be read, or the file not be written.
        """
        try:
            self._session.download_file(name, str(place))
        except OSError as error:
            if "not found" in str(error):
                raise FileNotFoundError(name) from error
            raise

    def is_there(self, name: str) -> bool:
        """Whether there is such an object."""
        return bool(self._session.contains(name))

    @cached_property
    def _session(self) -> Any:
        return LanceFileSession(self._uri, dict(self._options or {}))

    @override
    def chunks(self, name: str) -> Iterator[bytes]:
        with tempfile.NamedTemporaryFile(prefix="nextlabel-") as copy:
            self.download(name, Path(copy.name))
            while part := copy.read(_CHUNK):
                yield part

    @override
    def names(self, folder: str) -> set[str]:
        return {path.rpartition("/")[2] for path in self._session.list(folder)}

    @override
    def write(self, name: str, content: str) -> None:
        with tempfile.NamedTemporaryFile("w", prefix="nextlabel-") as copy:
            copy.write(content)
            copy.flush()
            self._session.upload_file(copy.name, name)

    @override
    def remove(self, name: str) -> None:
        self._session.delete_file(name)

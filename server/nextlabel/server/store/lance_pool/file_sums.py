"""A checksum beside each data file of a table: flips are found in vectors too, where nothing else shows them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import Executor, Future

import xxhash

from nextlabel.server.store.lance_pool.table_files import TableFiles

FOLDER = "_sums"
_DATA = "data"
_DIGITS = 32


class FileSums:
    """XXH3 (128 bits) of the files in a table's ``data`` folder, which Lance writes once and never changes.

    A file without a sum was written before there were any, or by a process that died: nothing is known of it. The
    caller makes the sums durable together with the files. With ``later`` they are taken when there is time, because
    what was just written has to be fetched for it.
    """

    def __init__(self, files: TableFiles, later: Executor | None = None) -> None:
        self._files = files
        self._later = later
        self._pending: list[Future[None]] = []

    def record(self, names: Iterable[str]) -> None:
        """Keep the sums of files that were just written.

        Raises:
            OSError: a file cannot be read, or its sum cannot be written.
        """
        if self._later is None:
            self._record(names)
        else:
            waiting = [recorded for recorded in self._pending if not recorded.done()]
            self._pending = [*waiting, self._later.submit(self._try_to_record, list(names))]

    def settle(self) -> None:
        """Wait for the sums that are taken later."""
        pending, self._pending = self._pending, []
        for recorded in pending:
            recorded.result()

    def differing(self, names: Iterable[str]) -> list[str]:
        """Return the files that are not as they were written, in order.

        Raises:
            OSError: a file cannot be read.
        """
        self.settle()
        known = self._files.names(FOLDER).intersection(names)
        return sorted(name for name in known if self._recorded(name) not in ("", self._sum(name)))

    def keep(self, names: Iterable[str]) -> None:
        """Forget the sums of files that are no longer there, of which ``names`` are those in use."""
        self.settle()
        for name in self._files.names(FOLDER) - set(names) - self._files.names(_DATA):
            self._files.remove(f"{FOLDER}/{name}")

    def _record(self, names: Iterable[str]) -> None:
        for name in names:
            self._files.write(f"{FOLDER}/{name}", self._sum(name))

    def _try_to_record(self, names: Iterable[str]) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._record(names)

    def _recorded(self, name: str) -> str:
        """Return the sum of a file, '' when none is known: a power cut may leave it short."""
        try:
            found = b"".join(self._files.chunks(f"{FOLDER}/{name}")).decode("ascii", "replace")
        except FileNotFoundError:
            return ""
        return found if len(found) == _DIGITS else ""

    def _sum(self, name: str) -> str:
        digest = xxhash.xxh3_128()
        for part in self._files.chunks(f"{_DATA}/{name}"):
            digest.update(part)
        return digest.hexdigest()

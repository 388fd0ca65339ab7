"""A checksum beside each data file of a table: flips are found in vectors too, where nothing else shows them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import xxhash

FOLDER = "_sums"
_CHUNK = 1 << 20
_DIGITS = 32


class FileSums:
    """XXH3 (128 bits) of the files in a table's ``data`` folder, which Lance writes once and never changes.

    A file without a sum was written before there were any, or by a process that died: nothing is known of it. The
    caller makes the sums durable together with the files.
    """

    def __init__(self, table: Path) -> None:
        self._data = table / "data"
        self._sums = table / FOLDER

    def record(self, names: Iterable[str]) -> None:
        """Keep the sums of files that were just written.

        Raises:
            OSError: a file cannot be read, or its sum cannot be written.
        """
        self._sums.mkdir(exist_ok=True)
        for name in names:
            (self._sums / name).write_text(_sum(self._data / name))

    def differing(self, names: Iterable[str]) -> list[str]:
        """Return the files that are not as they were written, in order.

        Raises:
            OSError: a file cannot be read.
        """
        return sorted(name for name in names if self._recorded(name) not in ("", _sum(self._data / name)))

    def keep(self, names: Iterable[str]) -> None:
        """Forget the sums of files that are no longer there, of which ``names`` are those in use."""
        used = set(names)
        for file in self._sums.glob("*"):
            if file.name not in used and not (self._data / file.name).exists():
                file.unlink(missing_ok=True)

    def _recorded(self, name: str) -> str:
        """Return the sum of a file, '' when none is known: a power cut may leave it short."""
        try:
            found = (self._sums / name).read_bytes().decode("ascii", "replace")
        except FileNotFoundError:
            return ""
        return found if len(found) == _DIGITS else ""


def _sum(file: Path) -> str:
    digest = xxhash.xxh3_128()
    with file.open("rb") as content:
        while part := content.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()

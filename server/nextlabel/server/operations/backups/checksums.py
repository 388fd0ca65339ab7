"""SHA-256 of every file of a copy, so that a flip of any bit is found: in vectors and models nothing else shows it.

The list is in the form of ``sha256sum``, which can check it too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

SUMS = "SHA256SUMS"


def write_sums(folder: Path, files: Iterable[Path]) -> None:
    """List the SHA-256 of files within ``folder``, in the folder."""
    lines = [f"{_sum(file)}  {file.relative_to(folder).as_posix()}\n" for file in sorted(files)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def differing(folder: Path) -> list[str]:
    """Return the files that are listed in ``folder`` and are missing or have other content, in order.

    Raises:
        OSError: the list, or a file, cannot be read.
        ValueError: the list is damaged.
    """
    found = []
    for line in (folder / SUMS).read_text(encoding="utf-8").splitlines():
        recorded, name = line.split("  ", 1)
        file = folder / name
        if not file.is_file() or _sum(file) != recorded:
            found.append(name)
    return found


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

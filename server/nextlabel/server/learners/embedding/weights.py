"""Which weights a model has: its name stays when its folder is written over or the hub has another revision of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_SHOWN = 12
_READ_BYTES = 1 << 20
_FILES = ("*.safetensors", "pytorch_model*.bin")
"""Files of weights by what a library prefers; those of the first kind that a folder has are loaded."""


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 of a model's weights in 64 hexadecimal digits; '' where it has no files of weights.

    Of the bytes of the files that sentence-transformers loads, in the order of the model's modules and of their names:
    the same on every processor, with every library, wherever the folder lies; of a single file it is what
    ``sha256sum`` says. Files are read once for each size and time of change.

    Raises:
        OSError: a file cannot be read.
    """
    found = []
    for path in _weights(folder):
        about = path.stat()
        found.append((path, about.st_size, about.st_mtime_ns))
    return _sha256(tuple(found)) if found else ""


def differ(noted: str, found: str) -> bool:
    """Whether two fingerprints are of different weights; '' is not known, and may be any."""
    return bool(noted and found and noted != found)


def with_weights(model: str, found: str) -> str:
    """Return a model and the fingerprint of its weights as messages give both.

    >>> with_weights("mini", "1a2b3c4d5e6f7a8b"), with_weights("mini", "")
    ("'mini' (weights 1a2b3c4d5e6f)", "'mini'")
    """
    return f"{model!r} (weights {found[:_SHOWN]})" if found else repr(model)


def _weights(folder: Path) -> Iterator[Path]:
    for module in _modules(folder):
        for pattern in _FILES:
            if files := sorted(module.glob(pattern)):
                yield from files
                break


def _modules(folder: Path) -> list[Path]:
    """Return the folders of a model's modules; where no file names them, the model is one in the folder itself."""
    try:
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
        return list(dict.fromkeys(folder / str(module["path"]) for module in modules))
    except (OSError, ValueError, KeyError, TypeError):
        return [folder]


@lru_cache(maxsize=64)
def _sha256(files: tuple[tuple[Path, int, int], ...]) -> str:
    found = hashlib.sha256()
    for path, _, _ in files:
        with path.open("rb") as content:
            while part := content.read(_READ_BYTES):
                found.update(part)
    return found.hexdigest()

"""Files and folders that are there whole or not at all."""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nextlabel.client.readers.errors import FileError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place when the block ends well; who may read it is as for any new file."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{path.suffix}")
    with _blaming(path):
        os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            yield beside
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def check_folder(path: Path, mark: str) -> None:
    """Check that a folder may be written at `path`: there is none, it is empty, or one with the file `mark` in it.

    Raises FileError where something else is in the way.
    """
    if path.exists() and not (path / mark).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise FileError(f"{path} holds something else; name a folder that is new or empty")


@contextmanager
def replacing_folder(path: Path, mark: str) -> Iterator[Path]:
    """A folder beside `path`, made by the block, that takes its place when the block ends well.

    Raises FileError as `check_folder` does.
    """
    check_folder(path, mark)
    with _blaming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as beside:
            yield Path(beside) / "new"
            if path.exists():
                shutil.move(path, Path(beside) / "old")
            shutil.move(Path(beside) / "new", path)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Have errors about what is written beside `path`, about its folder and of a full disk name what was asked for."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or "")
        beside = str(path.with_name(f".{path.name}."))
        if error.errno in _FULL or where.startswith(beside) or (where and Path(where) in path.parents):
            why = error.strerror or str(error)
            raise FileError(f"{path} cannot be written: {why[:1].lower()}{why[1:]}") from error
        raise

"""The bytes of a file or of standard input, unpacked when they are gzip."""

import gzip
import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from nextlabel.client.readers.errors import FileError, TruncatedFileError

STDIN = "-"
"""The path that stands for standard input."""

HEAD_BYTES = 2**16
"""Bytes at the beginning by which encoding and separator are recognised."""

_GZIP_MAGIC = b"\x1f\x8b"


class ByteSource:
    """A file, or standard input, to read once from the start. Opening raises OSErrors as usual."""

    def __init__(self, path: str | Path) -> None:
        self.is_stdin = str(path) == STDIN
        self.path = Path(path)
        self.name = "standard input" if self.is_stdin else str(path)
        # A thread that still reads sys.stdin at the end of the process makes the interpreter abort; so it gets a
        # reader of its own.
        file = sys.stdin.fileno() if self.is_stdin else self.path
        packed = open(file, "rb", HEAD_BYTES, closefd=not self.is_stdin)  # noqa: SIM115  (read elsewhere)
        self._packed = cast("io.BufferedReader", packed)
        self.size = self.path.stat().st_size if self.path.is_file() and not self.is_stdin else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.is_stdin:
            self._packed.close()

    @property
    def fraction_read(self) -> float | None:
        """How much of the file has been read, in [0, 1]; None when its size is not known."""
        if not self.size:
            return None
        return 1.0 if self._packed.closed else self._packed.tell() / self.size

    @cached_property
    def is_gzip(self) -> bool:
        """Whether the content is packed."""
        return self._packed.peek(2)[:2] == _GZIP_MAGIC

    @cached_property
    def content(self) -> io.BufferedReader | gzip.GzipFile:
        """The content, unpacked."""
        if self.is_gzip:
            return gzip.GzipFile(fileobj=self._packed, mode="rb")
        return self._packed

    @contextmanager
    def unpacking(self) -> Iterator[None]:
        """What is wrong with gzip data while the content is read, as TruncatedFileError or FileError."""
        try:
            yield
        except EOFError:
            raise TruncatedFileError(
                f"{self.name} ends in the middle of its gzip data; copy or download it again"
            ) from None
        except (zlib.error, gzip.BadGzipFile) as error:
            raise FileError(f"{self.name} is damaged gzip data ({error}); copy or download it again") from None

    def head(self) -> bytes:
        """The beginning of the content without taking it: what the first look at it gives, at most HEAD_BYTES.

        Empty when there is nothing, or nothing that can be unpacked: who reads on learns why.
        """
        try:
            with self.unpacking():
                return self.content.peek(HEAD_BYTES)[:HEAD_BYTES]
        except FileError:
            return b""

    def seekable(self) -> IO[bytes]:
        """The content where any part can be read: some formats are read from their end."""
        if not self.is_stdin and self.content is self._packed:
            return self._packed
        spooled = tempfile.TemporaryFile()  # noqa: SIM115  (whoever reads keeps it)
        with self.unpacking():
            shutil.copyfileobj(self.content, spooled)
        spooled.seek(0)
        return spooled

"""The bytes and lines of a file or of standard input, unpacked when they are gzip."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from nextlabel.client.readers.errors import FileError, TruncatedFileError

STDIN = "-"
"""The path that stands for standard input."""

_GZIP_MAGIC = b"\x1f\x8b"
_WIDE_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class ByteSource:
    """A file, or standard input, to read once from the start. Opening raises OSErrors as usual."""

    def __init__(self, path: str | Path) -> None:
        self.is_stdin = str(path) == STDIN
        self.path = Path(path)
        self.name = "standard input" if self.is_stdin else str(path)
        # A thread that still reads sys.stdin at the end of the process makes the interpreter abort; so it gets a
        # reader of its own.
        self._packed = (
            open(sys.stdin.fileno(), "rb", closefd=False) if self.is_stdin else self.path.open("rb")  # noqa: SIM115
        )
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
        return 1.0 if self._packed.closed else self._packed.raw.tell() / self.size

    def open(self) -> io.BufferedReader | gzip.GzipFile:
        """The content, unpacked."""
        if self._packed.peek(2)[:2] == _GZIP_MAGIC:
            return gzip.GzipFile(fileobj=self._packed, mode="rb")
        return self._packed

    def lines(self, encoding: str) -> Iterator[str]:
        r"""The lines with their line ends, split at "\n" and "\r\n" only.

        Bytes that are no text in `encoding` come as lone surrogates: see `is_text`. Raises TruncatedFileError
        or FileError after the last whole line that could be read.
        """
        try:
            yield from self._decoded(encoding)
        except EOFError:
            raise TruncatedFileError(
                f"{self.name} ends in the middle of its gzip data; copy or download it again"
            ) from None
        except (zlib.error, gzip.BadGzipFile) as error:
            raise FileError(f"{self.name} is damaged gzip data ({error}); copy or download it again") from None
        except UnicodeDecodeError as error:
            raise FileError(f"{self.name} is not {encoding} ({error.reason}); pass its encoding") from None
        except LookupError:
            raise FileError(f"{encoding!r} is not the name of an encoding, such as utf-8 or latin-1") from None

    def _decoded(self, encoding: str) -> Iterator[str]:
        content = self.open()
        if (head := content.peek(2)[:2]) in _WIDE_BOMS and encoding == "utf-8":
            raise FileError(f"{self.name} is not UTF-8 but UTF-16; pass its encoding: {_WIDE_BOMS[head]}")
        codec = "utf-8-sig" if encoding == "utf-8" else encoding
        yield from io.TextIOWrapper(content, codec, errors="surrogateescape", newline="\n")


def is_text(line: str) -> bool:
    """Whether a line that `lines` gave is wholly text in its encoding."""
    if line.isascii():
        return True
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True

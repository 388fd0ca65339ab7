"""Text files: their encoding, and where their lines end."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

from nextlabel.client.readers.encodings import marked_encoding, sniffed_encoding
from nextlabel.client.readers.errors import FileError
from nextlabel.client.readers.source import ByteSource

_MARK = "\ufeff"


class TextSource:
    r"""The lines of a file, decoded.

    Without an `encoding` it is sniffed. Lines end at "\n" and "\r\n", or at "\r" in a file that has no other line
    ends; nothing else ends a line, such as U+2028.
    """

    def __init__(self, source: ByteSource, encoding: str | None = None) -> None:
        self.name = source.name
        self._source = source
        head = source.head()
        self.encoding = _known(encoding) if encoding else sniffed_encoding(head)
        if encoding and _is_utf8(encoding) and (marked := marked_encoding(head)) not in (None, "utf-8"):
            raise FileError(f"{self.name} is not UTF-8 but {str(marked).upper()}; pass its encoding: {marked}")
        self.head = _decoded(head, self.encoding)

    @property
    def is_known_whole(self) -> bool:
        """Whether the end of the lines is known to be that of the whole text: gzip data say where it ends."""
        return self._source.is_gzip

    @property
    def line_end(self) -> str:
        """What ends the lines."""
        return "\r" if "\r" in self.head and "\n" not in self.head else "\n"

    @property
    def head_lines(self) -> list[str]:
        """The whole lines at the beginning; its only line may be cut off."""
        lines = self.head.split(self.line_end)
        whole = [line + self.line_end for line in lines[:-1]]
        return whole or lines

    def lines(self) -> Iterator[str]:
        """The lines with their line ends.

        Bytes that are no text come as lone surrogates: see `is_unicode`. Raises TruncatedFileError or FileError after
        the last whole line that could be read.
        """
        try:
            with self._source.unpacking():
                wrapped = io.TextIOWrapper(
                    self._source.content, self.encoding, errors="surrogateescape", newline=self.line_end
                )
                if first := next(wrapped, "").removeprefix(_MARK):
                    yield first
                yield from wrapped
        except UnicodeDecodeError as error:
            raise FileError(f"{self.name} is not {self.encoding} ({error.reason}); pass its encoding") from None


def read_text(path: Path) -> str:
    r"""A whole text file, such as guidelines or a configuration, with "\n" at the ends of lines.

    Raises ValueError when it is no text.
    """
    with ByteSource(path) as source:
        text = TextSource(source)
        content = "".join(text.lines())
    if any("\ud800" <= character <= "\udfff" for character in content):
        raise ValueError(f"{path} is not valid {text.encoding.upper()}")
    return content.replace("\r\n", "\n").replace("\r", "\n")


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise FileError(f"{encoding!r} is not the name of an encoding, such as utf-8 or windows-1252") from None


def _is_utf8(encoding: str) -> bool:
    return _known(encoding) in ("utf-8", "utf-8-sig")


def _decoded(head: bytes, encoding: str) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)("replace").decode(head).removeprefix(_MARK)
    except (UnicodeError, LookupError):
        return ""

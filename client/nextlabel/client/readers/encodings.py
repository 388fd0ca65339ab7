"""How the bytes of a text file are to be read: by its byte order mark, else by what its beginning looks like."""

import codecs

# UTF-32 first: its little-endian mark begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

WESTERN = "windows-1252"
"""What text that is no Unicode most often is in."""


def marked_encoding(head: bytes) -> str | None:
    r"""The encoding that a byte order mark at the beginning names.

    >>> marked_encoding(b"\xef\xbb\xbfid,text"), marked_encoding(b"id,text")
    ('utf-8', None)
    """
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)


def sniffed_encoding(head: bytes) -> str:
    r"""The encoding that the beginning of a file is most likely in.

    >>> sniffed_encoding("Grüße".encode()), sniffed_encoding("Grüße".encode("cp1252"))
    ('utf-8', 'windows-1252')

    A file in UTF-8 with some damaged bytes stays one in UTF-8, so that the damage is reported.
    """
    if marked := marked_encoding(head):
        return marked
    if wide := _wide_encoding(head):
        return wide
    text = _decoded(head, "utf-8")
    damaged = sum("\udc80" <= character <= "\udcff" for character in text)
    beyond_ascii = sum(character > "\x7f" for character in text) - damaged
    if damaged > beyond_ascii and _is_western(head):
        return WESTERN
    return "utf-8"


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of Western text is 0."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) / 2
    if odd > half / 2 and even < half / 10:
        return "utf-16-le"
    if even > half / 2 and odd < half / 10:
        return "utf-16-be"
    return None


def _decoded(head: bytes, encoding: str) -> str:
    # The last character may be cut off, which is no damage.
    return codecs.getincrementaldecoder(encoding)("surrogateescape").decode(head)


def _is_western(head: bytes) -> bool:
    # Five bytes are no characters, and control characters are in no text.
    return not any(byte < 9 or 13 < byte < 32 or byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) for byte in head)

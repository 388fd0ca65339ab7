"""Which format a file has: by its content where that is unmistakable, else by its name."""

from pathlib import Path

from nextlabel.client.readers.errors import FileError
from nextlabel.client.readers.source import STDIN

FORMATS = ("jsonl", "csv", "tsv", "parquet", "xlsx")

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", **{f".{name}": name for name in FORMATS}}
_MAGIC = {b"PAR1": "parquet", b"PK\x03\x04": "xlsx"}


def format_of(path: str | Path, head: bytes) -> str:
    """The format of a file with this name and beginning; standard input is JSON if it begins so, else CSV.

    Raises FileError when neither tells.
    """
    for magic, file_format in _MAGIC.items():
        if head.startswith(magic):
            return file_format
    if str(path) == STDIN:
        return "jsonl" if head.lstrip()[:1] in (b"{", b"[", b"") else "csv"
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    if not suffixes or suffixes[-1] not in _SUFFIXES:
        raise FileError(
            f"{path}: cannot tell the format by the name; say which it is with --format: {', '.join(FORMATS)}. "
            "A text a line is tsv, with a heading such as text as its first line"
        )
    return _SUFFIXES[suffixes[-1]]

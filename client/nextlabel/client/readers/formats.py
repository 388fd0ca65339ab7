"""Which format a file has: by its content where that is unmistakable, else by its name."""

import json
from codecs import BOM_UTF8
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
    if _is_record(head.removeprefix(BOM_UTF8).lstrip().partition(b"\n")[0]):
        return "jsonl"
    if not suffixes or suffixes[-1] not in _SUFFIXES:
        raise FileError(
            f"{path}: cannot tell the format by the name; say which it is with --format: {', '.join(FORMATS)}. "
            "A text a line is tsv, with a heading such as text as its first line"
        )
    return _SUFFIXES[suffixes[-1]]


def _is_record(line: bytes) -> bool:
    """Whether a line is a JSON object: no other format begins with one."""
    try:
        return line.startswith(b"{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False

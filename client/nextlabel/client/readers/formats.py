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

    Raises FileError when neither tells, or a name that says JSON contradicts what the file begins with.
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
    named = _SUFFIXES[suffixes[-1]]
    if named == "jsonl" and not _may_be_json(head):
        raise FileError(
            f"{path}: the name says JSON, and none of its first lines begins an object or an array; say which "
            "format it is with --format, such as csv"
        )
    return named


def _may_be_json(head: bytes) -> bool:
    """Whether some line of a beginning could be JSON, as that of what is empty or in UTF-16 could."""
    lines = [line for line in head.removeprefix(BOM_UTF8).splitlines() if line.strip()]
    return not lines or b"\0" in head or any(line.lstrip()[:1] in (b"{", b"[") for line in lines)


def _is_record(line: bytes) -> bool:
    """Whether a line is a JSON object: no other format begins with one."""
    try:
        return line.startswith(b"{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False

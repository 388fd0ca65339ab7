"""What reading a file gives: records, what is wrong with a line, and what is wrong with the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Record = tuple[int, Mapping[str, Any]]
"""The number of a line or row, from 1, and what it holds."""


@dataclass(frozen=True, slots=True)
class LineProblem:
    """A line that no item can be made of: its number, from 1, what is wrong with it, and the fields that it has."""

    line: int
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)


class FileError(ValueError):
    """A file cannot be read any further. What came before it was read."""


class TruncatedFileError(FileError):
    """A file ends in the middle, as after an interrupted copy or download."""

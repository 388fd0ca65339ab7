"""What can be wrong with a file, and with a line of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineProblem:
    """A line that no item can be made of: its number, from 1, and what is wrong with it."""

    line: int
    message: str


class FileError(ValueError):
    """A file cannot be read any further. What came before it was read."""


class TruncatedFileError(FileError):
    """A file ends in the middle, as after an interrupted copy or download."""

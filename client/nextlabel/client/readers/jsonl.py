"""JSON Lines: one object a line."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nextlabel.client.readers.errors import LineProblem, TruncatedFileError
from nextlabel.client.readers.source import ByteSource, is_text

Record = tuple[int, Mapping[str, Any]]
"""A line number, from 1, and what the line holds."""


def read_jsonl(source: ByteSource, encoding: str, report: Callable[[LineProblem], None]) -> Iterator[Record]:
    """The objects with their line numbers. Empty lines are passed over, malformed ones reported.

    Raises TruncatedFileError for a last line that is cut off, after the lines before it.
    """
    for number, line in enumerate(source.lines(encoding), start=1):
        if line.isspace():
            continue
        try:
            yield number, _object(line, encoding)
        except ValueError as error:
            if not line.endswith("\n") and isinstance(error, json.JSONDecodeError):
                raise TruncatedFileError(
                    f"{source.name} ends in the middle of line {number}; copy or download it again"
                ) from None
            report(LineProblem(number, _reason(error)))


def _object(line: str, encoding: str) -> Mapping[str, Any]:
    if not is_text(line):
        raise ValueError(f"it is not valid {encoding}; pass the encoding of the file")
    try:
        value = json.loads(line, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {_json_type(value)}")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at column {error.colno}"
    return str(error)


def _json_type(value: Any) -> str:
    names = {str: "a string", list: "an array", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")

"""JSON: one object a line, or one array of objects."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from nextlabel.client.readers.errors import FileError, LineProblem, Record, TruncatedFileError
from nextlabel.client.readers.text import TextSource
from nextlabel.client.row_checks import is_unicode

_SPACE = " \t\r\n"


def read_json(text: TextSource, report: Callable[[LineProblem], None]) -> Iterator[Record]:
    """The objects of JSON Lines or of a JSON array with the numbers of the lines in which they begin.

    Empty lines are passed over, malformed objects reported. Raises TruncatedFileError for a file that ends inside an
    object, after the objects before it. An array is read as a whole before its first object.
    """
    lines = text.lines()
    begun: list[str] = []
    for line in lines:
        begun.append(line)
        if line.strip():
            break
    rest = chain(begun, lines)
    begins = begun[-1].strip() if begun else ""
    if begins[:1] == "[" and begins[1:].lstrip()[:1] in ("", "{", "]"):
        return _array_objects("".join(rest), text, report)
    return _line_objects(rest, text, report)


def _line_objects(lines: Iterator[str], text: TextSource, report: Callable[[LineProblem], None]) -> Iterator[Record]:
    decoder = _Decoder(text.encoding)
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        try:
            value, end = decoder.decode(line, len(line) - len(line.lstrip(_SPACE)))
            if line[end:].strip(_SPACE):
                raise json.JSONDecodeError("Extra data", line, end)
        except json.JSONDecodeError as error:
            if not line.endswith(("\n", "\r")) and is_unicode(line):
                raise TruncatedFileError(
                    f"{text.name} ends in the middle of line {number}; copy or download it again"
                ) from None
            value = f"not valid JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
        if isinstance(value, str):
            report(LineProblem(number, value if is_unicode(line) else decoder.not_text))
        else:
            yield number, value


def _array_objects(content: str, text: TextSource, report: Callable[[LineProblem], None]) -> Iterator[Record]:
    decoder = _Decoder(text.encoding)
    at = content.index("[") + 1
    number, counted = 1, 0
    while True:
        at = _skipped(content, at, _SPACE + ",")
        if content[at : at + 1] == "]":
            return
        # Between two places, so that the lines of a large file are counted once.
        number, counted = number + content.count(text.line_end, counted, at), at
        if at == len(content):
            raise TruncatedFileError(f"{text.name} ends in the middle of its array; copy or download it again")
        try:
            value, at = decoder.decode(content, at)
        except json.JSONDecodeError as error:
            where = f"line {number}: {error.msg}"
            raise FileError(
                f"{text.name}: the array is not valid JSON from {where}; what came before was read"
            ) from None
        if isinstance(value, str):
            report(LineProblem(number, value))
        else:
            yield number, value


def _skipped(content: str, at: int, characters: str) -> int:
    while at < len(content) and content[at] in characters:
        at += 1
    return at


class _Decoder:
    """Decodes an object and says why it cannot be used; what is wrong inside one never hides where it ends."""

    def __init__(self, encoding: str) -> None:
        self.not_text = f"it is not valid {encoding}; pass the encoding of the file"
        self._problems: list[str] = []
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=self._constant)
        self._patient = json.JSONDecoder(object_pairs_hook=self._object, parse_int=self._whole_number)

    def decode(self, content: str, start: int) -> tuple[Mapping[str, Any] | str, int]:
        """The object at `start`, or what is wrong with it, and where it ends. Raises JSONDecodeError."""
        self._problems.clear()
        try:
            value, end = self._decoder.raw_decode(content, start)
        except RecursionError:
            return "it is nested too deeply", len(content)
        except json.JSONDecodeError:
            raise
        except ValueError:  # a number that Python does not take; the patient decoder is slower
            self._problems.clear()
            value, end = self._patient.raw_decode(content, start)
        if self._problems:
            return self._problems[0], end
        if not isinstance(value, dict):
            return f"expected a JSON object, got {_json_type(value)}", end
        if not is_unicode(content[start:end]):
            return self.not_text, end
        return value, end

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            self._problems.append(f"the key {next(k for k in found if keys.count(k) > 1)!r} is there more than once")
        return found

    def _whole_number(self, digits: str) -> int:
        try:
            return int(digits)
        except ValueError:
            self._problems.append(f"a number has {len(digits):,} digits")
            return 0

    def _constant(self, name: str) -> None:
        # Python writes NaN where a value is missing.
        if name != "NaN":
            self._problems.append(f"{name} is not JSON")


def _json_type(value: Any) -> str:
    names = {str: "a string", list: "an array", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")

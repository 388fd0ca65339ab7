"""How the fields of a line are separated, and whether quotes mean anything."""

import csv
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import inf

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

_NAMES = {separator: name for name, separator in SEPARATORS.items()}


@dataclass(frozen=True, slots=True)
class Dialect:
    """The separator of fields, and whether a field in quotes may hold separators, quotes and line ends."""

    separator: str
    quoted: bool = True

    def __str__(self) -> str:
        return f"{_NAMES.get(self.separator, repr(self.separator))}-separated"

    def records(self, lines: Iterable[str]) -> "Iterable[list[str]]":
        """The fields of each record; csv.Error for quotes that do not fit."""
        if self.quoted:
            return csv.reader(lines, delimiter=self.separator, strict=True)
        return (_fields(line, self.separator) for line in lines)


def sniffed_dialect(lines: Sequence[str], usual: str, wanted: Collection[str]) -> Dialect:
    r"""The dialect of a file that begins with these whole lines.

    The separator is the one by which the first line names a `wanted` column, the `usual` one first; else the one that
    gives the most columns.

    >>> sniffed_dialect(["nr;text\n", "1;one, two\n"], usual=",", wanted={"text"}).separator
    ';'
    """
    candidates = [usual, *(separator for separator in SEPARATORS.values() if separator != usual)]
    headers = {separator: header_of(lines[:1], Dialect(separator)) for separator in candidates}
    named = [separator for separator in candidates if set(wanted) & set(headers[separator])]
    separator = named[0] if named else max(candidates, key=lambda candidate: len(headers[candidate]))
    return Dialect(separator, quoted=uses_quotes(lines, separator))


def uses_quotes(lines: Sequence[str], separator: str) -> bool:
    r"""Whether quotes enclose fields.

    In CSV they do. Where tabs separate, many programs never quote, and a text may begin with a quote that never ends;
    so they count only when more of the lines can be understood with them.

    >>> uses_quotes(['id\ttext\n', '1\t"Well", he said\n'], "\t")
    False
    >>> uses_quotes(['id\ttext\n', '1\t"two\n', 'lines"\n'], "\t")
    True
    """
    if separator != "\t":
        return True
    if not any('"' in line for line in lines):
        return False
    return _odd(lines, Dialect(separator)) < _odd(lines, Dialect(separator, quoted=False))


def header_of(lines: Iterable[str], dialect: Dialect) -> list[str]:
    """The names in the first line, without the spaces around them; none when it cannot be read."""
    try:
        return [name.strip() for name in next(iter(dialect.records(lines)), [])]
    except csv.Error:
        return []


def _odd(lines: Sequence[str], dialect: Dialect) -> float:
    """How many records have another number of fields than the first, one that is cut off among them.

    Infinite for quotes that do not fit.
    """
    counts = []
    try:
        for record in dialect.records(lines):
            if record:
                counts.append(len(record))  # noqa: PERF401  (what came before an error counts)
    except csv.Error as error:
        if "unexpected end of data" not in str(error):
            return inf
        counts.append(0)
    return sum(count != counts[0] for count in counts)


def _fields(line: str, separator: str) -> list[str]:
    line = line.removesuffix("\n").removesuffix("\r")
    return line.split(separator) if line else []

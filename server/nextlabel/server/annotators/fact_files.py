"""Files of known facts, for rules of filters: what is known of texts or items beside what the server keeps."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from nextlabel.server.annotators.filter_services import LONGEST_VALUE
from nextlabel.server.ports.filter_functions import FunctionValue
from nextlabel.server.values.errors import FailedPrecondition

_COLUMNS: Final = 2


@dataclass(frozen=True, slots=True)
class FactFile:
    """Says what a file has beside a text or an id, and nothing of those that it has not; `takes` says which of both."""

    facts: Mapping[str, str]
    takes: Literal["text", "id"]

    async def values(self, texts: Sequence[str]) -> Sequence[FunctionValue]:
        """Return a value for each text or id; see `FilterFunction.values`."""
        return [self.facts.get(one) or None for one in texts]


def read_facts(name: str, path: Path) -> FactFile:
    """Read the file of a function: a heading, then lines of an id or a text and what is known of it, in CSV or TSV.

    Raises:
        FailedPrecondition: it cannot be read, or a line has other columns, too long a value, or contradicts an earlier
            one; the message names the line.
    """
    facts: dict[str, str] = {}
    takes: Literal["text", "id"] = "id"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            for row in lines:
                if lines.line_num == 1 and row[:1] not in (["id"], ["text"]):
                    raise _refused(name, path, "expected a heading, id or text and a name, such as id,product")
                if lines.line_num == 1 and row[0] == "text":
                    takes = "text"
                if row and (problem := _problem(row, facts)):
                    raise _refused(name, path, f"line {lines.line_num}: {problem}")
                if row and lines.line_num > 1:
                    facts[row[0]] = row[1]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise _refused(name, path, f"cannot be read as CSV in UTF-8: {why}") from None
    return FactFile(facts, takes)


def _problem(row: Sequence[str], facts: Mapping[str, str]) -> str:
    if len(row) != _COLUMNS:
        return f"expected two columns, an id or a text and what is known of it, got {len(row)}"
    if len(row[1]) > LONGEST_VALUE:
        return f"the second column has {len(row[1]):,} characters, at most {LONGEST_VALUE:,} are allowed"
    if facts.get(row[0], row[1]) != row[1]:
        return f"{row[0][:50]!r} has another value further up"
    return ""


def _refused(name: str, path: Path, why: str) -> FailedPrecondition:
    return FailedPrecondition(f"filters.files.{name}: {path}: {why}", reason="FILTER_FILE")

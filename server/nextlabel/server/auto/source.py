"""The file that is to be labeled: its rows with all their columns, and the items that they are."""

from __future__ import annotations

import shutil
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nextlabel.client.cli.files.adding import report_malformed
from nextlabel.client.cli.files.reading import Reading
from nextlabel.client.cli.problems import say
from nextlabel.client.items import Columns, content_id
from nextlabel.client.known_labels import is_drawn
from nextlabel.client.literals import AnnotationTypeName
from nextlabel.client.readers.errors import LineProblem
from nextlabel.client.readers.formats import format_of
from nextlabel.client.readers.source import HEAD_BYTES, STDIN
from nextlabel.client.row_checks import RowError, checked_text, is_missing
from nextlabel.server.auto.asked import known_label
from nextlabel.server.auto.rows import SourceRow

HOLDOUT_SHARE = 0.2
"""Share of the rows with a known label that only evaluate."""


_OPTIONS = {"label": "--known"}
"""The options that name columns, where they are called otherwise than what the column holds."""


@dataclass(frozen=True, slots=True)
class LabeledSource:
    """A file with the columns that hold texts, ids and known labels.

    ``gold_share``, in [0, 1], is that of the known labels which do not evaluate the learner.
    """

    path: str
    reading: Reading
    text: str
    id_column: str | None
    known: str | None
    annotation_type: AnnotationTypeName = "single_label"
    gold_share: float = 0.0

    def names(self) -> Sequence[str]:
        """Return the names of all columns.

        Raises:
            FileError, ValueError, OSError: the file cannot be used.
        """
        return self.reading.open(self.path, self._columns(()), options=_OPTIONS).names

    def rows(self, names: Sequence[str], *, quiet: bool = True) -> Iterator[SourceRow]:
        """Yield the rows in the order of the file, those that cannot be read with what can be told of them.

        Unless `quiet`, say in the end which these are.
        """
        unread: deque[LineProblem] = deque()
        ids = _Ids()
        chosen = self._columns(tuple(dict.fromkeys(names)))
        file = self.reading.open(self.path, chosen, quiet=True, on_problem=unread.append)
        for block in file.blocks():
            for place, (text, columns) in enumerate(zip(block.texts, block.metadata or (), strict=True)):
                while unread and unread[0].line < block.numbers[place]:
                    yield _unread(unread.popleft(), file.unit)
                if problem := _problem(text):
                    yield SourceRow("", "", None, columns, problem=problem)
                    continue
                given = "" if block.ids is None or block.ids[place] is None else str(block.ids[place])
                cell = None if block.labels is None else block.labels[place]
                known = known_label(cell, self.annotation_type, f"{file.unit} {block.numbers[place]}")
                evaluates = known is not None and is_drawn(text, HOLDOUT_SHARE)
                checks = known is not None and not evaluates and is_drawn(text, self._drawn_share)
                yield SourceRow(ids.of(given, text), text, known, columns, evaluates, is_gold=checks)
        for last in unread:
            yield _unread(last, file.unit)
        if not quiet:
            report_malformed(file, become="come back without a label")
            if ids.shared:
                say(f"rows with the id of an earlier row of another text: {ids.shared:,}; their texts tell them apart")

    @property
    def _drawn_share(self) -> float:
        """Share of the known labels that evaluate or check; 0.0 of gold leaves those that evaluate."""
        return HOLDOUT_SHARE + (1 - HOLDOUT_SHARE) * self.gold_share

    def _columns(self, metadata: tuple[str, ...]) -> Columns:
        required = {"text"} | ({"id"} if self.id_column else set()) | ({"label"} if self.known else set())
        return Columns(
            text=self.text,
            id=self.id_column or "id",
            label=self.known,
            metadata=metadata,
            required=frozenset(required),
        )


class _Ids:
    """The ids of items: those of their rows, as long as one id means one text; else those of the texts."""

    def __init__(self) -> None:
        self.shared = 0
        self._texts: dict[str, bytes] = {}

    def of(self, given: str, text: str) -> str:
        """Return the id of a row that came with this one, '' for none."""
        if not given:
            return content_id(text)
        told = blake2b(text.encode(), digest_size=16).digest()
        if self._texts.setdefault(given, told) == told:
            return given
        self.shared += 1
        return content_id(text)


def _unread(problem: LineProblem, unit: str) -> SourceRow:
    return SourceRow("", "", None, problem.fields, problem=f"{unit} {problem.line}: {problem.message}")


def _problem(text: Any) -> str:
    """Return why a row with this text cannot be labeled, '' if it can."""
    try:
        return "no text" if is_missing(text) or not checked_text(text).strip() else ""
    except RowError as error:
        return str(error)


@contextmanager
def readable_again(path: str) -> Iterator[str]:
    """A path that can be read more than once: for standard input, that of a copy, which goes when the block ends."""
    if path != STDIN:
        yield path
        return
    with TemporaryDirectory(prefix="nextlabel-") as folder:
        copy = Path(folder) / "stdin"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with copy.open("rb") as file:
            named = copy.with_suffix(f".{format_of(STDIN, file.read(HEAD_BYTES))}")
        yield str(copy.rename(named))

"""Labeled texts from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextlabel.client.items import Columns, content_id
from nextlabel.client.readers.errors import FileError, LineProblem
from nextlabel.client.readers.file import ItemFile
from nextlabel.client.tables import UnknownColumnError
from nextlabel.server.values.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class LabeledTexts:
    """The rows of a file, in order.

    Attributes:
        texts: non-empty strings.
        labels: class names.
        ids: the file's ids, or ids made of the texts.
        problems: the first of the malformed lines that were passed over.
        problem_count: how many were passed over in all.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    problems: tuple[LineProblem, ...] = ()
    problem_count: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> LabeledTexts:
        """Return these rows."""
        columns = (self.texts, self.labels, self.ids)
        texts, labels, ids = (tuple(column[row] for row in rows) for column in columns)
        return LabeledTexts(texts, labels, ids, self.problems, self.problem_count)

    @property
    def normalised(self) -> list[str]:
        """Texts by which duplicates are found: case and white space do not count."""
        return [" ".join(text.split()).casefold() for text in self.texts]


def read_labeled_texts(path: Path, columns: Columns, field: str) -> LabeledTexts:
    """Read a JSON Lines, CSV, TSV or Parquet file, plain or gzip.

    Args:
        columns: which columns hold text, label and, if there is one, id.
        field: what errors call the file: ``train`` or ``test``.

    Raises:
        InvalidArgument: the file is missing, empty, of unknown format or damaged, lacks a column, or has a row
            without text or label.
    """
    texts: list[str] = []
    labels: list[str] = []
    ids: list[str] = []
    try:
        file = ItemFile(path, columns=columns)
        for block in file.blocks():
            found = block.labels or [None] * len(block)
            given = block.ids or [None] * len(block)
            for number, text, label, item_id in zip(block.numbers, block.texts, found, given, strict=True):
                texts.append(_text(text, number, columns, field))
                labels.append(_label(label, number, columns, field))
                ids.append(str(item_id) if item_id not in (None, "") else content_id(texts[-1]))
    except OSError as error:
        raise InvalidArgument.field(field, f"{path}: {error.strerror or error}") from error
    except (FileError, UnknownColumnError) as error:
        raise InvalidArgument.field(field, str(error)) from error
    if not texts:
        raise InvalidArgument.field(field, f"{path} has no rows")
    return LabeledTexts(tuple(texts), tuple(labels), tuple(ids), tuple(file.problems), file.problem_count)


def _text(value: Any, number: int, columns: Columns, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument.field(field, f"row {number}: {columns.text!r} is {value!r}; must be a non-empty text")
    return value


def _label(value: Any, number: int, columns: Columns, field: str) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, int):
        return str(value)
    raise InvalidArgument.field(
        field, f"row {number}: {columns.label!r} is {value!r}; every row of a simulation needs one class name"
    )


def label_space(train: LabeledTexts, test: LabeledTexts) -> tuple[str, ...]:
    """Return the classes of the training texts, sorted.

    Raises:
        InvalidArgument: there are fewer than two, or the test has a class that no training text has.
    """
    classes = sorted(set(train.labels))
    if len(classes) < 2:
        raise InvalidArgument.field("train", f"only one class, {classes[0]!r}; there must be at least two")
    known = set(classes)
    unknown = Counter(label for label in test.labels if label not in known)
    if unknown:
        listed = ", ".join(f"{label!r} ({count} rows)" for label, count in sorted(unknown.items()))
        raise InvalidArgument.field(
            "test", f"classes that no training text has: {listed}; correct or remove these rows, or add training texts"
        )
    return tuple(classes)

"""Texts as programs have them: lists, arrays, columns of frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nextlabel.client.row_checks import RowError, checked_text


def texts_of(given: Any, *, field: str = "X") -> list[str]:
    """Return the texts of a sequence, a Series, an array or a table with one column.

    Raises:
        ValueError: it is none of these, or a text is missing; the message says where.
    """
    column = _column(given, field)
    texts: list[str] = []
    wrong: list[str] = []
    for place, text in enumerate(column):
        try:
            texts.append(str(checked_text(text)))
            if not texts[-1].strip():
                raise RowError("TEXT_MISSING", "text: there is only white space in it")
        except RowError as error:
            wrong.append(f"{field}[{place}]: {str(error).removeprefix('text: ')}")
    if wrong:
        more = f"; and {len(wrong) - 3:,} more" if len(wrong) > 3 else ""
        raise ValueError(f"{'; '.join(wrong[:3])}{more}; leave out or fill what has no text")
    return texts


def _column(given: Any, field: str) -> Iterable[Any]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise ValueError(f"{field}: expected a list of texts, or a column of them, got {type(given).__name__}")
    shape = getattr(given, "shape", None)
    if shape is None or len(shape) == 1:
        return given
    if len(shape) == 2 and shape[1] == 1:
        table: Any = given
        column: Iterable[Any] = table.iloc[:, 0] if hasattr(table, "iloc") else table[:, 0]
        return column
    raise ValueError(
        f"{field}: expected one text each, got {type(given).__name__} of shape {shape}; give one column, "
        "such as frame['text'] (Reshape your data)"
    )

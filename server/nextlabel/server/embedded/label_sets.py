"""Several labels a text: lists of classes, or a matrix with a column for each class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nextlabel.server.embedded.classes import UNLABELED, found_classes, known_labels


def is_matrix(y: Any) -> bool:
    """Return whether y has a column for each class, as an array, a table or a sparse matrix."""
    return len(getattr(y, "shape", ())) == 2


def found_in_sets(y: Any, sets: Iterable[Collection[Any] | None]) -> Sequence[Any]:
    """Return the classes of y: the columns of a table, else those of the label sets, in an order of their own.

    Raises:
        ValueError: y is a matrix whose columns have no names.
    """
    if isinstance(y, pd.DataFrame):
        return list(y.columns)
    if is_matrix(y):
        raise ValueError("classes: name the columns of y, in their order, such as classes=['billing', 'delivery']")
    return found_classes(label for labels in sets if labels is not None for label in labels)


def known_sets(
    y: Any, count: int, *, field: str = "y", classes: Sequence[Any] | None = None
) -> list[tuple[Any, ...] | None]:
    """Return ``count`` sets of labels, None where none is known: for None, NaN, an empty text; () is that none applies.

    A row of a matrix is known unless it holds NaN, or -1 and nothing else.

    Args:
        classes: those that there are, in the order of the columns of a matrix; without them those of a table.

    >>> known_sets([["a", "b"], [], None, "a"], 4)
    [('a', 'b'), (), None, ('a',)]
    >>> known_sets(np.array([[1, 0], [-1, -1]]), 2, classes=["a", "b"])
    [('a',), None]

    Raises:
        ValueError: there are more or fewer rows or columns, or what stands there is no set of labels.
    """
    if is_matrix(y):
        return _of_matrix(y, count, field, classes)
    if y is None:
        return [None] * count
    if isinstance(y, str) or not hasattr(y, "__len__"):
        raise ValueError(f"{field}: expected a list of labels for each text, or None, got {type(y).__name__}")
    if len(y) != count:
        raise ValueError(
            f"{field}: there are {len(y):,} sets of labels for {count:,} texts; give None where one is not known"
        )
    return [_known(value, f"{field}[{place}]", classes) for place, value in enumerate(y)]


def matrix_of(sets: Iterable[Collection[Any]], classes: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Return the indicator matrix of label sets, shape (n, C): 1 where a class is among them.

    >>> matrix_of([["b"], []], ["a", "b"]).tolist()
    [[0, 1], [0, 0]]
    """
    rows = [[int(label in labels) for label in classes] for labels in sets]
    return np.array(rows, np.int64).reshape(len(rows), len(classes))


def _known(value: Any, where: str, classes: Sequence[Any] | None) -> tuple[Any, ...] | None:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        labels = known_labels([*value], len(value), field=where, classes=classes)
        if None in labels:
            raise ValueError(f"{where}: holds {value!r}, in which a label is missing; give None for all of it")
        return tuple(dict.fromkeys(labels))
    (label,) = known_labels([value], 1, field=where, classes=classes)
    return None if label is None else (label,)


def _of_matrix(y: Any, count: int, field: str, classes: Sequence[Any] | None) -> list[tuple[Any, ...] | None]:
    named = classes if classes is not None else found_in_sets(y, ())
    if isinstance(y, pd.DataFrame):
        y = y.to_numpy()
    cells = np.asarray(y.toarray() if hasattr(y, "toarray") else y, np.float64)
    if cells.shape != (count, len(named)):
        raise ValueError(
            f"{field}: has the shape {cells.shape}, expected ({count}, {len(named)}), a row for each text "
            f"and a column for each of the classes {', '.join(map(str, named))}"
        )
    unknown_N = np.isnan(cells).any(axis=1) | (cells == UNLABELED).all(axis=1)
    if strange := np.argwhere(~np.isin(cells, (0, 1)) & ~unknown_N[:, None]).tolist():
        row, column = strange[0]
        raise ValueError(
            f"{field}[{row}]: holds {cells[row, column]:g}; 1 says that a class applies and 0 that it does not"
        )
    return [
        None if unknown else tuple(label for label, cell in zip(named, row, strict=True) if cell)
        for row, unknown in zip(cells, unknown_N, strict=True)
    ]

"""Classes as a program has them, of any type, and as a project does, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nextlabel.client.messages.names import class_name

UNLABELED = -1
"""What scikit-learn's semi-supervised estimators write where no label is known."""

FOR_SEVERAL = "for several labels a text give annotation_type='multi_label'"


class Classes:
    """Two classes or more, each with a name that no other has; it is the text of the class.

    >>> classes = Classes([0, 1])
    >>> classes.names, classes.of("1"), classes.name(1.0)
    (['0', '1'], 1, '1')
    """

    def __init__(self, given: Iterable[Any] | Mapping[Any, str]) -> None:
        """Take classes, or classes with descriptions for whoever labels.

        Raises:
            ValueError: there are fewer than two, one has no name, or two have the same.
        """
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise ValueError(f"classes: expected several, such as ['billing', 'delivery'], got {given!r}")
        described = given if isinstance(given, Mapping) else dict.fromkeys((_plain(label) for label in given), "")
        self.descriptions: Mapping[str, str] = {_name(label): text for label, text in described.items()}
        self._labels = {_name(label): label for label in described}
        self._names = {label: _name(label) for label in described}
        if len(self._labels) < len(described):
            twice = next(label for label, name in self._names.items() if self._labels[name] is not label)
            raise ValueError(f"classes: {twice!r} and {self._labels[_name(twice)]!r} have the same name")
        if len(self._labels) < 2:
            raise ValueError(
                f"classes: there must be two or more, got {len(self._labels)} ({', '.join(self.names) or 'none'}); "
                "name all that there are, known labels need not have them all"
            )

    @property
    def names(self) -> Sequence[str]:
        """The names, in the order in which the classes were given."""
        return list(self._labels)

    @property
    def labels(self) -> Sequence[Any]:
        """The classes, in the order in which they were given."""
        return list(self._names)

    def of(self, name: str) -> Any:
        """Return the class of this name."""
        return self._labels[name]

    def name(self, label: Any) -> str:
        """Return the name of a class, which may be given by its name too.

        Raises:
            ValueError: there is no such class.
        """
        label = _plain(label)
        if label in self._names:
            return self._names[label]
        if _name(label) in self._labels:
            return _name(label)
        shown = ", ".join(map(repr, list(self._names)[:20])) + (", …" if len(self._names) > 20 else "")
        raise ValueError(f"{label!r} is none of the classes {shown}")

    def named(self, labels: Sequence[Any], field: str) -> Sequence[str | None]:
        """Return the names of labels, None of None.

        Raises:
            ValueError: there is no such class; the message says where.
        """
        names: list[str | None] = []
        for place, label in enumerate(labels):
            try:
                names.append(None if label is None else self.name(label))
            except ValueError as error:
                raise ValueError(f"{field}[{place}]: {error}") from None
        return names

    def sorted(self) -> npt.NDArray[Any]:
        """Return the classes in the order of scikit-learn's ``classes_``."""
        labels = list(self._names)
        if len({type(label) for label in labels}) == 1:
            return np.unique(np.array(labels))
        array = np.empty(len(labels), object)
        array[:] = sorted(labels, key=_name)
        return array


def found_classes(labels: Iterable[Any]) -> Sequence[Any]:
    """Return the different labels in an order that does not depend on theirs.

    >>> found_classes(["b", None, "a", "b"])
    ['a', 'b']
    """
    return sorted({label for label in labels if label is not None}, key=_name)


def known_labels(y: Any, count: int, *, field: str = "y", classes: Iterable[Any] | None = None) -> list[Any]:
    """Return ``count`` labels, None where none is known: for None, NaN, pandas' NA, empty texts, and -1.

    Args:
        classes: those that there are, if they are given; with -1 among them, -1 is a label like any other.

    >>> known_labels(["a", None, "", float("nan")], 4), known_labels([0, -1], 2)
    (['a', None, None, None], [0, None])

    Raises:
        ValueError: there are more or fewer labels, or what stands there is no label.
    """
    if y is None:
        return [None] * count
    if isinstance(y, str) or not hasattr(y, "__len__") or len(getattr(y, "shape", (0,))) > 1:
        shape = f" of shape {y.shape}" if hasattr(y, "shape") else ""
        more = f"; {FOR_SEVERAL}" if shape else ""
        raise ValueError(
            f"{field}: expected one label for each text, or None for each, got {type(y).__name__}{shape}{more}"
        )
    if len(y) != count:
        raise ValueError(f"{field}: there are {len(y):,} labels for {count:,} texts; give None where one is not known")
    is_class = UNLABELED in (classes or ())
    return [_known(value, is_class, f"{field}[{place}]") for place, value in enumerate(y)]


def _known(value: Any, is_class: bool, where: str) -> Any:
    value = _plain(value)
    if isinstance(value, list | tuple | set | dict) or hasattr(value, "shape"):
        raise ValueError(f"{where}: expected one label, got {type(value).__name__}; {FOR_SEVERAL}")
    if pd.isna(value) or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, Real) and value == UNLABELED and not is_class:
        return None
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(
            f"{where}: {value} is no class (Unknown label type: continuous); numbers are learned in projects of scores"
        )
    return value.strip() if isinstance(value, str) else value


def _plain(label: Any) -> Any:
    """Return a scalar of NumPy as what it is in Python, and texts without what stands around them."""
    if isinstance(label, np.generic):
        label = label.item()
    return label.strip() if isinstance(label, str) else label


def _name(label: Any) -> str:
    return class_name(str(label))

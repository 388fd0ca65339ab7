"""What a text gets, one class or any number of them, as a program writes it and as a project does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nextlabel.client.literals import AnnotationTypeName
from nextlabel.server.auto.asked import Asked
from nextlabel.server.embedded.classes import Classes, found_classes, known_labels
from nextlabel.server.embedded.label_sets import found_in_sets, known_sets, matrix_of
from nextlabel.server.values.projects.label_paths import as_paths, path_problem, with_ancestors
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.v1 import project_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class Kind:
    """One class a text, or several; and whether their names are paths."""

    several: bool = False
    paths: bool = False

    @property
    def annotation_type(self) -> AnnotationTypeName:
        """The annotation type of such a project."""
        return "multi_label" if self.several else "single_label"

    def __str__(self) -> str:
        return f"{self.annotation_type}{' with paths' if self.paths else ''}"

    def known(self, y: Any, count: int, *, field: str = "y", classes: Sequence[Any] | None = None) -> list[Any]:
        """Return what is known of ``count`` texts: a class or a tuple of classes each, None where nothing is.

        Raises:
            ValueError: y is of another length, or holds what is no such answer.
        """
        read = known_sets if self.several else known_labels
        return [*read(y, count, field=field, classes=classes)]

    def found(self, y: Any, known: Sequence[Any]) -> Sequence[Any]:
        """Return the classes of what is known."""
        return found_in_sets(y, known) if self.several else found_classes(known)


@dataclass(frozen=True, slots=True)
class LabelerAnswers:
    """The answers that a project allows.

    Attributes:
        kind: how many classes a text has.
        classes: all of them; of paths those too that others are kinds of.
    """

    kind: Kind
    classes: Classes
    _placed: tuple[LabelClass, ...] = ()

    @classmethod
    def of(cls, kind: Kind, given: Any) -> Self:
        """Return the answers of these classes, which come as `Classes` takes them.

        Raises:
            ValueError: they are no classes, or no paths where paths are asked for.
        """
        if not kind.paths:
            return cls(kind, Classes(given))
        named = Classes(given)
        if problem := next(filter(None, map(path_problem, named.names)), ""):
            raise ValueError(f"classes: {problem}")
        placed = as_paths([LabelClass(name, named.descriptions[name]) for name in named.names])
        return cls(kind, Classes({one.name: one.description for one in placed}), placed)

    @property
    def class_array(self) -> npt.NDArray[Any]:
        """The classes as ``classes_``, (C,): sorted where one applies, else as they were given, as columns are."""
        if not self.kind.several:
            return self.classes.sorted()
        return _array(self.classes.labels)

    @property
    def asked(self) -> Asked:
        """What the project asks for."""
        described = self.classes.descriptions
        classes = {name: pb.LabelClass(name=name, description=described[name]) for name in self.classes.names}
        return Asked(self.kind.annotation_type, classes, None, self.kind.paths)

    def known(self, y: Any, count: int, *, field: str = "y") -> list[Any]:
        """Return what is known of ``count`` texts; see `Kind.known`.

        Raises:
            ValueError: y holds what is no such answer, or a matrix lacks columns.
        """
        return self.kind.known(y, count, field=field, classes=self.classes.labels)

    def named(self, known: Sequence[Any], field: str) -> list[Any]:
        """Return what is known by the names of the classes, None of None: a name, or a list of names.

        Raises:
            ValueError: there is no such class; the message says where.
        """
        if not self.kind.several:
            return [*self.classes.named(known, field)]
        return [
            None if one is None else [*self._above(self.classes.named(one, f"{field}[{place}]"))]
            for place, one in enumerate(known)
        ]

    def of_names(self, names: Any) -> Any:
        """Return what an answer by names says in the program's own classes, None of None."""
        if names is None:
            return None
        return [*map(self.classes.of, names)] if self.kind.several else self.classes.of(names)

    def array(self, answers: Sequence[Any], *, as_matrix: bool) -> Any:
        """Return n answers as scikit-learn does: (n,) classes; of several a list of lists or an (n, C) matrix."""
        if self.kind.several:
            return matrix_of(answers, self.classes.labels) if as_matrix else [*answers]
        return np.array(answers, dtype=self.classes.sorted().dtype)

    def _above(self, names: Sequence[str | None]) -> Sequence[str]:
        there = [name for name in names if name is not None]
        return with_ancestors(there, self._placed) if self.kind.paths else there


def _array(labels: Sequence[Any]) -> npt.NDArray[Any]:
    if len({type(label) for label in labels}) == 1:
        return np.array(labels)
    array = np.empty(len(labels), object)
    array[:] = labels
    return array


def same(one: Any, other: Any) -> bool:
    """Return whether two answers by names say the same; several classes are in no order."""
    if isinstance(one, list) and isinstance(other, list):
        return set(one) == set(other)
    return bool(one == other)

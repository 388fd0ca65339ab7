"""What every row of a file is asked for, and what known labels say in these terms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.client.literals import AnnotationTypeName
from nextlabel.client.messages.answers import LABEL_SEPARATOR, score_of
from nextlabel.client.messages.names import named_as
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.label_paths import as_paths, path_problem
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.v1 import project_service_pb2 as pb

OF_ROWS: Sequence[AnnotationTypeName] = ("single_label", "multi_label", "score")
"""What a row with one text can be asked for, and a learner can be trained on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One class of ``classes`` for each row, any number of them, or a score of ``scores``.

    Attributes:
        classes: by name, in their order; empty for scores.
        paths: the names are paths, and what they are kinds of is among them.
    """

    annotation_type: AnnotationTypeName
    classes: Mapping[str, pb.LabelClass]
    scores: ScoreRange | None
    paths: bool = False

    @property
    def has_interval(self) -> bool:
        """Whether what the learner says comes with an interval."""
        return self.annotation_type == "score"

    def named(self, known: Any) -> Any:
        """Return a known label with its classes named as they are here, whatever the case and spaces in the file."""
        name = named_as(self.classes)
        if isinstance(known, list):
            return [*map(name, known)]
        return name(known) if isinstance(known, str) else known


def asked(
    annotation_type: AnnotationTypeName,
    labels: Sequence[pb.LabelClass],
    score_range: Sequence[float] | None,
    known: Iterable[Any],
    *,
    paths: bool = False,
) -> Asked:
    """Return what is asked for; classes that nobody names are those of the known labels.

    Args:
        labels: the classes; empty for those of the known labels.
        score_range: the smallest and the greatest score, and the step where there is one; None for 0 to 1.
        known: what `known_label` returns of each row, in the order of the rows.
        paths: names such as ``animal/cat`` are paths, for several labels a row.

    Raises:
        InvalidArgument: too few classes, a range that is none, or known labels outside of either.
    """
    rows = {row: value for row, value in enumerate(known, 1) if value is not None}
    if annotation_type not in OF_ROWS:
        raise InvalidArgument.field("--type", f"the rows of a file are asked for one of {', '.join(OF_ROWS)}")
    if paths and annotation_type != "multi_label":
        raise InvalidArgument.field("--paths", "an answer names all that is above a class too: give --type multi_label")
    if annotation_type == "score":
        if labels:
            raise InvalidArgument.field("--labels", "scores have no classes; say with --score-range which are allowed")
        return Asked(annotation_type, {}, _scores(score_range, rows))
    if score_range is not None:
        raise InvalidArgument.field("--score-range", "it goes with --type score")
    named = {row: value if isinstance(value, list) else [value] for row, value in rows.items()}
    found = Counter(name for names in named.values() for name in names)
    listed = labels or [pb.LabelClass(name=name) for name in sorted(_spelled_once(found))]
    if paths:
        listed = _with_parents(listed)
    classes = {one.name: one for one in listed}
    if len(classes) < 2:
        raise InvalidArgument.field("--labels", "name at least two classes, such as --labels billing,delivery,other")
    name_of = named_as(classes)
    if strange := [(row, name) for row, names in named.items() for name in names if name_of(name) not in classes]:
        several = f"; several labels have {LABEL_SEPARATOR} between them" if annotation_type == "multi_label" else ""
        raise InvalidArgument.field(
            "--known",
            f"holds labels that --labels does not name: {_places(strange)}{several}; name them too, "
            "or empty those cells",
        )
    return Asked(annotation_type, classes, None, paths)


def _with_parents(classes: Sequence[pb.LabelClass]) -> Sequence[pb.LabelClass]:
    """Return the classes with those that they are kinds of, in the order of the project's label space."""
    if problem := next(filter(None, (path_problem(one.name) for one in classes)), ""):
        raise InvalidArgument.field("--labels", problem)
    given = {one.name: one for one in classes}
    return [given.get(one.name, pb.LabelClass(name=one.name)) for one in as_paths([*map(LabelClass, given)])]


def _spelled_once(found: Counter[str]) -> Sequence[str]:
    """Return the names that stand for the same classes in other spellings, the most frequent of each first seen."""
    names: list[str] = []
    for name, _ in found.most_common():
        if named_as(names)(name) not in names:
            names.append(name)
    return names


def _places(strange: Sequence[tuple[int, Any]]) -> str:
    """Return the first of the values that cannot be used, sorted, each with the first of its rows, from 1."""
    rows: dict[Any, list[int]] = {}
    for row, value in strange:
        rows.setdefault(value, []).append(row)
    shown = sorted(rows)[:5]
    each = (
        f"{value!r} (row {rows[value][0]:,}{f' and {n:,} more' if (n := len(rows[value]) - 1) else ''})"
        for value in shown
    )
    return ", ".join(each) + (f", and {len(rows) - len(shown):,} others" if len(rows) > len(shown) else "")


def _scores(bounds: Sequence[float] | None, known: Mapping[int, float]) -> ScoreRange:
    allowed = ScoreRange(*(bounds or ()))
    if allowed.problem:
        raise InvalidArgument.field("--score-range", allowed.problem)
    if strange := [(row, value) for row, value in known.items() if not allowed.allows(value)]:
        raise InvalidArgument.field(
            "--known", f"holds scores that are not {allowed} (--score-range): {_places(strange)}"
        )
    return allowed


def known_label(cell: Any, annotation_type: AnnotationTypeName, where: str = "") -> Any:
    """Return the label that a cell holds: a class, a list of classes or a score; None where it holds none.

    ``where`` names its line in errors.

    >>> known_label(" a ", "single_label"), known_label("a|b", "multi_label"), known_label("4", "score")
    ('a', ['a', 'b'], 4.0)

    Raises:
        InvalidArgument: the cell is no score.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or (isinstance(cell, str) and not cell.strip()):
        return None
    if annotation_type == "score":
        try:
            return score_of(str(cell)[:80] if isinstance(cell, str) else cell)
        except ValueError as error:
            place = f" ({where})" if where else ""
            raise InvalidArgument.field("--known", f"holds what is no score{place}: {error}") from None
    if annotation_type == "multi_label":
        names = cell if isinstance(cell, list | tuple) else str(cell).split(LABEL_SEPARATOR)
        return [str(name).strip() for name in names if str(name).strip()]
    return str(cell).strip()

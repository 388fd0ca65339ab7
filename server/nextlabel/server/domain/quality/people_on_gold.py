"""How accurate people are, as far as gold tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.projects.projects import Project

FEWEST_PERSON_GOLD: Final = 20
"""Answers of people about gold items, with fewer of which they are taken as right."""


def people_on_gold(
    project: Project, gold: Mapping[int, str], by_row: Mapping[int, Sequence[Annotation]]
) -> Estimate | None:
    """Return how accurate people are on gold items, None where they have given fewer than 20 answers about them."""
    right = [
        is_right(a.answer.body, label, project)
        for row, label in gold.items()
        for a in by_row.get(row, ())
        if a.kind is AnnotatorKind.HUMAN and a.answer.body is not None
    ]
    return wilson_interval(sum(right), len(right)) if len(right) >= FEWEST_PERSON_GOLD else None


def person_accuracy(project: Project, gold: Mapping[int, str], by_row: Mapping[int, Sequence[Annotation]]) -> float:
    """Return how accurate people are on gold, 1 where that is not known."""
    known = people_on_gold(project, gold, by_row)
    return 1.0 if known is None else known.value

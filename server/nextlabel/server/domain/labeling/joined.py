"""When the way in which a project's answers are joined is fitted anew, and on what."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.consensus.crowdlab import Learner
from nextlabel.server.assessment.consensus.joining import Joining, joining_of
from nextlabel.server.assessment.consensus.table import answer_table
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.labeling.needs import need_of
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.item_states import ItemNeed
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import CHOSEN, CROWDLAB, MAJORITY, Project

_HEARD_EACH = 100
"""Annotations up to which every new one is heard."""
MOST_JOINED = 200_000
"""Annotations that annotators are judged by, the newest ones."""
HEARING_LEARNER = (CHOSEN, CROWDLAB)
"""Ways to join answers in which the learner may have a voice."""


def heard(count: int) -> int:
    """Return how many of so many annotations are heard: all of few, then as many as each tenth makes.

    >>> [heard(n) for n in (3, 100, 105, 110, 120, 121)]
    [3, 100, 100, 110, 110, 121]
    """
    if count <= _HEARD_EACH:
        return count
    steps = math.floor(math.log(count / _HEARD_EACH, 1.1) + 1e-9)
    return min(count, math.floor(_HEARD_EACH * 1.1**steps))


@dataclass(frozen=True, slots=True)
class Due:
    """What a fit rests on: the project's way, its classes, and so many of the first annotations.

    ``embedded`` says that a learner can be heard, as all items that those are about have embeddings. Every server that
    has the same finds the same.
    """

    way: str = MAJORITY
    classes: int = 0
    annotations: int = 0
    embedded: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """What was fitted, and what all items' answers add up to by it."""

    joining: Joining | None
    consensus: dict[int, Consensus]
    needs: dict[int, ItemNeed]


def due(way: str, classes: int, reached: Sequence[int], embedded_below: int) -> Due:
    """Return what a fit would rest on now; votes need none.

    ``reached`` has for each annotation the highest row up to there, and rows below ``embedded_below`` have embeddings:
    0 where no learner is heard.
    """
    if way == MAJORITY:
        return Due()
    annotations = heard(len(reached))
    hearing = way in HEARING_LEARNER and annotations > 0
    return Due(way, classes, annotations, hearing and reached[annotations - 1] < embedded_below)


def joined_anew(
    project: Project,
    fitted: Due,
    first: Sequence[Annotation],
    by_row: Mapping[int, Sequence[Annotation]],
    gold: Mapping[int, str],
    *,
    limits: Limits,
    learner: Learner | None = None,
) -> Joined:
    """Fit on the ``first`` annotations, and join all answers; takes seconds where there are many."""
    joining = None
    if fitted.way != MAJORITY:
        table, rows = answer_table(_standing(first[-MOST_JOINED:]), gold, project.class_names)
        joining = joining_of(table, rows, fitted.way, learner)
    consensus: dict[int, Consensus] = {}
    needs: dict[int, ItemNeed] = {}
    for row, given in by_row.items():
        agreed = consensus_of(project, given, None, joining)
        if agreed is not None:
            consensus[row] = agreed
        if (need := need_of(given, agreed, limits)) is not None:
            needs[row] = need
    return Joined(joining, consensus, needs)


def _standing(annotations: Sequence[Annotation]) -> Mapping[int, Sequence[Annotation]]:
    """Return annotations by row, those left out that others correct."""
    corrected = {a.corrects for a in annotations}
    by_row: dict[int, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        if annotation.id not in corrected:
            by_row[annotation.row].append(annotation)
    return by_row

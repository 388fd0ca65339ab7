"""What is labeled so far, kept in memory and followed by reading only what is new."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nextlabel.server.assessment.consensus.by_type import consensus_of, raters_of
from nextlabel.server.assessment.consensus.raters import RaterModel
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.labeling.needs import need_of
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.labeling.item_states import ItemNeed
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pool import ReferenceItem, Split
from nextlabel.server.values.projects.projects import LabelClass, Project

_HEARD_EACH = 100
"""Annotations up to which every new one is heard on how annotators score."""

_MOST_HEARD = 20_000


@dataclass(slots=True)
class _Labels:
    last_id: int = 0
    by_row: dict[int, list[Annotation]] = field(default_factory=lambda: defaultdict(list))
    consensus: dict[int, Consensus] = field(default_factory=dict)
    needs: dict[int, ItemNeed] = field(default_factory=dict)
    classes: tuple[LabelClass, ...] = ()
    raters: RaterModel | None = None
    scores: list[Annotation] = field(default_factory=list)
    heard: int = 0


class Labels:
    """The annotations of every project by row, those that were corrected left out, and what they add up to."""

    def __init__(self, store: StateStore, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self._projects: dict[ProjectId, _Labels] = {}

    async def consensus(self, project: Project) -> dict[int, Consensus]:
        """Return the consensus of every row that has one, in order of first annotation."""
        return (await self._follow(project)).consensus

    async def annotations(self, project: Project, row: int) -> Sequence[Annotation]:
        """Return the annotations of one row, oldest first."""
        return tuple((await self._follow(project)).by_row.get(row, ()))

    async def rows(self, project: Project) -> dict[int, list[Annotation]]:
        """Return all annotations by row."""
        return (await self._follow(project)).by_row

    async def raters(self, project: Project) -> RaterModel | None:
        """Return how annotators score, by which scores are joined; None where they do not differ."""
        return (await self._follow(project)).raters

    async def revision(self, project: Project) -> tuple[int, int]:
        """Return what changes whenever annotations come or classes are added."""
        known = await self._follow(project)
        return known.last_id, len(known.classes)

    async def needs(self, project: Project) -> dict[int, ItemNeed]:
        """Return what the rows need now whose annotations are of no use."""
        return dict((await self._follow(project)).needs)

    async def by_annotator(self, project: Project) -> dict[str, list[Annotation]]:
        """Return all annotations by the name of their annotator, in alphabetical order."""
        own: dict[str, list[Annotation]] = {}
        for given in (await self.rows(project)).values():
            for annotation in given:
                own.setdefault(annotation.annotator, []).append(annotation)
        return dict(sorted(own.items()))

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._projects.pop(project, None)

    async def _follow(self, project: Project) -> _Labels:
        known = self._projects.setdefault(project.id, _Labels())
        after = known.last_id
        scores = project.annotation_type is AnnotationType.SCORE

        def read(tx: Transaction) -> tuple[Sequence[Annotation], Sequence[ReferenceItem] | None]:
            given = tx.labeling.annotations(project.id, after_id=after)
            rated_anew = scores and _heard(len(known.scores) + len(given)) != known.heard
            return given, tx.pool.references(project.id, Split.GOLD) if rated_anew else None

        new, gold = await self._store.read(read)
        # Another caller may have taken the same annotations in while this one was reading.
        fresh = [a for a in new if a.id > known.last_id]
        for annotation in fresh:
            given = known.by_row[annotation.row]
            if annotation.corrects:
                given[:] = [a for a in given if a.id != annotation.corrects]
            given.append(annotation)
            known.last_id = annotation.id
        changed = dict.fromkeys(a.row for a in fresh)
        if scores:
            known.scores += fresh
            if gold is not None and _rate(project, known, gold):
                changed = dict.fromkeys(known.by_row)
        # Classes are only ever added at the end: who still has fewer knows the project as it was.
        if len(project.classes) > len(known.classes):
            known.classes = project.classes
            changed = dict.fromkeys(known.by_row)
        as_known = replace(project, classes=known.classes)
        for row in changed:
            agreed = consensus_of(as_known, known.by_row[row], known.raters)
            if agreed is not None:
                known.consensus[row] = agreed
            need = need_of(known.by_row[row], known.consensus.get(row), self._limits)
            if need is None:
                known.needs.pop(row, None)
            else:
                known.needs[row] = need
        return known


def _rate(project: Project, known: _Labels, gold: Sequence[ReferenceItem]) -> bool:
    """Find out anew how annotators score where a tenth more of them is known; True where it changed.

    It rests on the annotations up to there alone, so that every server finds the same.
    """
    heard = _heard(len(known.scores))
    if heard == known.heard:
        return False
    kind = task_type(project.annotation_type)
    worths = {r.row: body.value for r in gold if isinstance(body := kind.parsed(r.label), Score)}
    by_row: dict[int, list[Annotation]] = defaultdict(list)
    for annotation in known.scores[max(0, heard - _MOST_HEARD) : heard]:
        by_row[annotation.row].append(annotation)
    before, known.raters, known.heard = known.raters, raters_of(project, by_row, worths), heard
    return known.raters != before


def _heard(count: int) -> int:
    """Return how many of so many annotations say how annotators score: all of few, then as many as each tenth makes."""
    if count <= _HEARD_EACH:
        return count
    steps = math.floor(math.log(count / _HEARD_EACH, 1.1) + 1e-9)
    return min(count, math.floor(_HEARD_EACH * 1.1**steps))

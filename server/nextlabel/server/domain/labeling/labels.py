"""What is labeled so far, kept in memory and followed by reading only what is new."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from nextlabel.server.assessment.consensus.by_type import consensus_of, raters_of
from nextlabel.server.assessment.consensus.joining import Joining
from nextlabel.server.assessment.consensus.raters import RaterModel
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.labeling.joined import HEARING_LEARNER, MOST_JOINED, Due, due, heard, joined_anew
from nextlabel.server.domain.labeling.needs import need_of
from nextlabel.server.domain.labeling.text_learners import TextLearners, embedded_below
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Executor
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.labeling.item_states import ItemNeed
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pool import ReferenceItem, Split
from nextlabel.server.values.projects.projects import MAJORITY, LabelClass, Project

_MOST_HEARD = 20_000


@dataclass(slots=True)
class _Labels:
    last_id: int = 0
    by_row: dict[int, list[Annotation]] = field(default_factory=lambda: defaultdict(list))
    consensus: dict[int, Consensus] = field(default_factory=dict)
    needs: dict[int, ItemNeed] = field(default_factory=dict)
    classes: tuple[LabelClass, ...] = ()
    raters: RaterModel | None = None
    given: list[Annotation] = field(default_factory=list)
    reached: list[int] = field(default_factory=list)
    embedded_below: int = 0
    heard: int = 0
    way: str = MAJORITY
    way_of: datetime | None = None
    joining: Joining | None = None
    joined: Due = field(default_factory=Due)
    changed: set[int] = field(default_factory=set)
    fitting: asyncio.Lock = field(default_factory=asyncio.Lock)


class Labels:
    """The annotations of every project by row, those that were corrected left out, and what they add up to.

    Where a project joins answers by a model of its annotators, that is fitted in the executor each time that there are
    a tenth more answers, and who asks for labels waits for it; in between an answer costs what joining its item costs.
    ``learners`` give the learner a voice; without them it has none.
    """

    def __init__(
        self, store: StateStore, limits: Limits, executor: Executor, learners: TextLearners | None = None
    ) -> None:
        self._store = store
        self._limits = limits
        self._executor = executor
        self._learners = learners
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

    async def joining(self, project: Project) -> Joining | None:
        """Return by what labels are joined; None where votes are counted."""
        return (await self._follow(project)).joining

    async def revision(self, project: Project) -> tuple[Any, ...]:
        """Return what changes whenever annotations come, classes are added or answers are joined in another way."""
        known = await self._follow(project)
        return known.last_id, len(known.classes), known.joined

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

        hearing = self._learners is not None and project.consensus in HEARING_LEARNER

        def read(tx: Transaction) -> tuple[Sequence[Annotation], Sequence[ReferenceItem] | None, int]:
            given = tx.labeling.annotations(project.id, after_id=after)
            rated_anew = scores and heard(len(known.given) + len(given)) != known.heard
            references = tx.pool.references(project.id, Split.GOLD) if rated_anew else None
            return given, references, embedded_below(tx, project.id) if hearing else 0

        new, gold, embedded = await self._store.read(read)
        # Another caller may have taken the same annotations in while this one was reading.
        fresh = [a for a in new if a.id > known.last_id]
        for annotation in fresh:
            given = known.by_row[annotation.row]
            if annotation.corrects:
                given[:] = [a for a in given if a.id != annotation.corrects]
            given.append(annotation)
            known.last_id = annotation.id
        changed = dict.fromkeys(a.row for a in fresh)
        known.given += fresh
        _reach(known, fresh)
        known.embedded_below = max(known.embedded_below, embedded)
        if scores and gold is not None and _rate(project, known, gold):
            changed = dict.fromkeys(known.by_row)
        # Classes are only ever added at the end: who still has fewer knows the project as it was.
        if len(project.classes) > len(known.classes):
            known.classes = project.classes
            changed = dict.fromkeys(known.by_row)
        # A caller may know the project as it was before its way to join answers was changed.
        if known.way_of is None or project.updated_at > known.way_of:
            known.way, known.way_of = project.consensus, project.updated_at
        self._join(project, known, changed)
        if known.fitting.locked():
            known.changed.update(changed)
        if self._due(known) != known.joined:
            async with known.fitting:
                if self._due(known) != known.joined:
                    await self._join_anew(project, known)
        return known

    def _due(self, known: _Labels) -> Due:
        return due(known.way, len(known.classes), known.reached, known.embedded_below)

    def _join(self, project: Project, known: _Labels, rows: Iterable[int]) -> None:
        as_known = replace(project, classes=known.classes)
        # What was fitted knows no class that was added since; it is fitted anew at once.
        joining = known.joining if known.joined.classes == len(known.classes) else None
        for row in rows:
            agreed = consensus_of(as_known, known.by_row[row], known.raters, joining)
            if agreed is not None:
                known.consensus[row] = agreed
            need = need_of(known.by_row[row], known.consensus.get(row), self._limits)
            if need is None:
                known.needs.pop(row, None)
            else:
                known.needs[row] = need

    async def _join_anew(self, project: Project, known: _Labels) -> None:
        """Fit on what there is now. What comes meanwhile is joined by the same when that is done."""
        references = await self._store.read(lambda tx: tx.pool.references(project.id, Split.GOLD))
        gold = {item.row: item.label for item in references}
        fitted = self._due(known)
        as_known = replace(project, classes=known.classes)
        first = known.given[: fitted.annotations]
        by_row = {row: tuple(given) for row, given in known.by_row.items()}
        known.changed.clear()
        learner = None
        if fitted.embedded and self._learners is not None:
            answered = first[-MOST_JOINED:]
            learner = await self._learners.of(project, fitted.classes, answered, list(gold))
        found = await self._executor.run(
            lambda: joined_anew(as_known, fitted, first, by_row, gold, limits=self._limits, learner=learner)
        )
        known.joining, known.joined = found.joining, fitted
        known.consensus, known.needs = found.consensus, found.needs
        self._join(project, known, known.changed)


def _reach(known: _Labels, fresh: Sequence[Annotation]) -> None:
    for annotation in fresh:
        known.reached.append(max(annotation.row, known.reached[-1] if known.reached else 0))


def _rate(project: Project, known: _Labels, gold: Sequence[ReferenceItem]) -> bool:
    """Find out anew how annotators score where a tenth more of them is known; True where it changed.

    It rests on the annotations up to there alone, so that every server finds the same.
    """
    rated = heard(len(known.given))
    if rated == known.heard:
        return False
    kind = task_type(project.annotation_type)
    worths = {r.row: body.value for r in gold if isinstance(body := kind.parsed(r.label), Score)}
    by_row: dict[int, list[Annotation]] = defaultdict(list)
    for annotation in known.given[max(0, rated - _MOST_HEARD) : rated]:
        by_row[annotation.row].append(annotation)
    before, known.raters, known.heard = known.raters, raters_of(project, by_row, worths), rated
    return known.raters != before

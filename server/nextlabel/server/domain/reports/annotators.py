"""What annotators are worth, made anew when there is something new."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cachetools import LRUCache

from nextlabel.server.assessment.consensus.raters import Rater
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.quality.canary_runs import tallies
from nextlabel.server.domain.reports.annotator_reports import AnnotatorReport, annotator_report
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.canaries import CanaryTally
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project

_KEPT = 8


@dataclass(frozen=True, slots=True)
class AnnotatorReports:
    """Reports on annotators. A page that is open in several browsers costs one report at each change."""

    store: StateStore
    labels: Labels
    executor: Executor
    _kept: LRUCache[ProjectId, tuple[Any, Mapping[str, AnnotatorReport]]] = field(
        init=False, default_factory=lambda: LRUCache(_KEPT)
    )
    _turn: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def of(self, project: Project, annotator: str = "") -> Sequence[AnnotatorReport]:
        """Report on every annotator, in alphabetical order, or on one."""
        async with self._turn:
            found = await self._every(project)
        return [report for name, report in found.items() if annotator in ("", name)]

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._kept.pop(project, None)

    async def _every(self, project: Project) -> Mapping[str, AnnotatorReport]:
        gold, checked = await self.store.read(lambda tx: _of_store(tx, project))
        key = project, await self.labels.revision(project), gold, checked
        kept = self._kept.get(project.id)
        if kept is None or kept[0] != key:
            own = await self.labels.by_annotator(project)
            by_row = {row: tuple(given) for row, given in (await self.labels.rows(project)).items()}
            scoring = await self.labels.raters(project)
            raters = {} if scoring is None else scoring.raters
            kept = key, await self.executor.run(lambda: _reports(project, own, by_row, gold, checked, raters))
            self._kept[project.id] = kept
        return kept[1]


def _of_store(tx: Transaction, project: Project) -> tuple[Mapping[int, str], Mapping[str, CanaryTally]]:
    """Return the labels of the gold items by row, and the tallies of canaries by annotator."""
    gold = {item.row: item.label for item in tx.pool.references(project.id, Split.GOLD)}
    return gold, tallies(tx, tx.runs.list(project.id))


def _reports(
    project: Project,
    own: Mapping[str, Sequence[Annotation]],
    by_row: Mapping[int, Sequence[Annotation]],
    gold: Mapping[int, str],
    checked: Mapping[str, CanaryTally],
    raters: Mapping[str, Rater],
) -> Mapping[str, AnnotatorReport]:
    return {
        name: replace(
            annotator_report(project, name, annotations, gold, by_row, checked.get(name)), rater=raters.get(name)
        )
        for name, annotations in own.items()
    }

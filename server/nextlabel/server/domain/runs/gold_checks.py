"""Annotators on gold items: how sure each may be is fitted on how often it is right there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nextlabel.server.assessment.calibration import GoldCheck
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.runs.check_batches import CheckBatches
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import Run

GOLD_ITEMS = 100


@dataclass(frozen=True, slots=True)
class GoldChecks:
    """Gives gold items to annotators before they work."""

    store: StateStore
    pools: Pools
    projects: Projects
    batches: CheckBatches

    async def check(self, project: Project, run: Run, source: RunAnnotator) -> None:
        """Have up to 100 gold items answered that the annotator has not seen, and fit its calibration on all it has.

        Their cost counts against the budgets, their labels do not: they never train.
        """
        if source.calibration is None:
            return
        answered = await self.ask(project, run, source)
        gold = (await self.pools.open(project.id)).gold
        source.calibration.fit(
            [
                GoldCheck(a.answer.signals, is_right(a.answer.body, gold[row].label, project))
                for row, a in answered.items()
                if a.label
            ]
        )

    async def ask(self, project: Project, run: Run, source: RunAnnotator) -> Mapping[int, Annotation]:
        """Have up to 100 gold items answered that the annotator has not seen; return its answers about gold, by row."""
        gold = (await self.pools.open(project.id)).gold
        answered = await self._answers(project, source, gold)
        missing = [r for row, r in gold.items() if row not in answered][:GOLD_ITEMS]
        if missing:
            await self.batches.annotate(project, run, source, "gold", missing)
            answered = await self._answers(project, source, gold)
        return answered

    async def _answers(
        self, project: Project, source: RunAnnotator, gold: Mapping[int, ReferenceItem]
    ) -> dict[int, Annotation]:
        name = source.annotator.name
        found = await self.store.read(lambda tx: tx.labeling.annotations(project.id, rows=sorted(gold)))
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        used = task.guidelines.digest
        # What it answered under other guidelines says nothing about how sure it may be under these. Known labels were
        # answered under none.
        by_guidelines = source.calibration is not None
        return {
            a.row: a
            for a in found
            if a.annotator == name and (not by_guidelines or a.answer.provenance.guidelines_hash == used)
        }
